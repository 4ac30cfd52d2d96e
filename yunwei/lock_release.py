"""A person releases the lock that another run left: with a reason, noted in Vault, recorded in the ledger."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from yunwei import locks, runner, session
from yunwei.errors import RefusedError, UsageError, VaultError, YunweiError
from yunwei.lock_list import RunState, see_run
from yunwei.recorder import Verdict
from yunwei.session import Session

JOB = "release-locks"
_ENDED = "its run has ended by this controller's ledger"
_UNKNOWN = "nobody here can tell whether its run still works: it was started on {controller}"
_OVER = "its lease was over"


def release(inventory: Path, system: str, reason: str) -> dict[str, Any]:
    """Release the lock of a system as a run of its own, and return what was released.

    A refusal is recorded as well. The hosts of the run that held it may still be at work: each host's own lock guards
    against that, and the number of the next run makes them refuse this one.

    Args:
        inventory: the inventory's folder.
        system: the system's id.
        reason: why, in the person's words; goes into ledger and Vault.

    Raises:
        RefusedError: the run that holds it lives on this controller, within its lease.
        UsageError: the lock is not held, or there is no reason.
        VaultForbiddenError: this identity may not release.
        LedgerError, VaultError: as named.
    """
    if not reason.strip():
        raise UsageError("--reason is empty: say why the lock is released, it is kept as evidence")
    source = runner.inventory_source(inventory).absolute()
    opened = session.open_session(session.Intent(session.new_run_id(), JOB, "", (source,), check=False))
    try:
        released = _release(opened, system, reason)
    except YunweiError as error:
        opened.close(Verdict("refused", error.exit_code, f"release of {system}, reason given {reason!r}: {error}"))
        raise
    opened.recorder.add("localhost", f"Release the lock of {system}", "changed", released)
    return {**released, "run_id": opened.run_id, "warnings": opened.close(Verdict("done", 0))}


def _release(opened: Session, system: str, reason: str) -> dict[str, Any]:
    seen = locks.look(opened.vault, system)
    if seen is None:
        raise UsageError(f"the lock of {system} is not held, so there is nothing to release: see yunwei locks list")
    released = {
        "system": system,
        "reason": reason,
        "released": asdict(seen.held),
        "why_allowed": _allowed(opened, seen),
    }
    _note(opened, system, {**released, "who": opened.vault.identity, "run_id": opened.run_id})
    if not locks.release(opened.vault, system, seen.held.run_id):
        raise RefusedError(f"the lock of {system} changed hands while it was being released: look again, then decide")
    return released


def _allowed(opened: Session, seen: locks.LockSeen) -> str:
    """Return why the lock may be released, or refuse: the opening of the session has closed what is dead here."""
    if seen.over:
        return _OVER
    run = see_run(opened.ledger, seen.held.run_id)
    if run.state is RunState.ENDED:
        return _ENDED
    if run.state is RunState.ALIVE:
        raise RefusedError(
            f"run {seen.held.run_id} (job {seen.held.job}, process {run.pid}) holds the lock of "
            f"{seen.held.system} and is alive on this controller. Let it end, or stop it with Ctrl-C; "
            f"its lease ends at {seen.lease_end}"
        )
    return _UNKNOWN.format(controller=seen.held.controller)


def _note(opened: Session, system: str, note: dict[str, Any]) -> None:
    path = f"lock-releases/{system}"
    if opened.vault.cas_write(path, note, opened.vault.cas_read(path).version) is None:
        raise VaultError(f"somebody else is releasing the lock of {system} at this moment: look again, then decide")
