"""One run in this process: its record, its one login, its locks, and their end. No record, no run.

The callback opens the session before the first play and closes it after the last. Ansible forks its workers from this
process, so gate and secrets find the session, and its token, in memory: it travels by nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yunwei import locks
from yunwei.errors import LedgerError, UsageError, VaultError, VaultTokenError, YunweiError
from yunwei.ledger import Ledger, utc_now
from yunwei.ledger.process import describe_self
from yunwei.policy import Policy, load
from yunwei.provenance import describe_controller, digest_inventory
from yunwei.recorder import Recorder, Verdict
from yunwei.vault import VaultClient

_RUN_ID = re.compile(r"r-[A-Za-z0-9-]{4,60}")
_state: dict[str, Session] = {}


@dataclass(frozen=True)
class Intent:
    """What was started: by which playbook, on which inventory, in earnest or as a check."""

    run_id: str
    job: str
    playbook: str
    inventory: tuple[Path, ...]
    check: bool
    limit: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def inventory_dir(self) -> Path:
        """Return the folder that holds the policy.

        Raises `UsageError` where no inventory of this run has one.
        """
        folders = [path if path.is_dir() else path.parent for path in self.inventory]
        for folder in folders:
            if (folder / "policy").is_dir():
                return folder
        shown = ", ".join(map(str, self.inventory)) or "none"
        raise UsageError(f"no inventory of this run ({shown}) has a policy/ folder beside it: give one with -i")


@dataclass
class Session:
    """An open run. `permits` are those that the gate has issued, as the main process saw them."""

    intent: Intent
    policy: Policy
    ledger: Ledger
    vault: VaultClient
    process: int = field(default_factory=os.getpid)
    permits: list[dict[str, Any]] = field(default_factory=list)
    recorder: Recorder = field(default_factory=Recorder)
    started: float = field(default_factory=time.monotonic)
    _over: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return self.intent.run_id

    @property
    def inventory_dir(self) -> Path:
        """Return the folder that holds the policy."""
        return self.policy.inventory_dir

    def require_open_record(self) -> None:
        """Raise `LedgerError` unless the ledger holds this run's beginning and no end."""
        found = self.ledger.find_run(self.run_id)
        if found is None or found["status"] != "open":
            raise LedgerError(
                f"the ledger has no open record of run {self.run_id} "
                f"({'nothing' if found is None else found['status']} was found): start the playbook anew"
            )

    def keep_alive(self) -> None:
        """Prolong token and locks until the end, beside the run: one task of a host can last longer than both."""
        self._keeper = threading.Thread(target=self._prolong, name="keep alive", daemon=True)
        self._keeper.start()

    def _prolong(self) -> None:
        lease = self.policy.estate.lock.lease_seconds
        # After a third of the time: where Vault does not answer, there is a second try before it is over.
        while not self._over.wait(max(1, min(lease, self.vault.lifetime_seconds) / 3)):
            try:
                self.vault.renew()
            except YunweiError as error:
                if isinstance(error, VaultTokenError):
                    return  # over for good; what needs it next says so
            with contextlib.suppress(YunweiError):
                for permit in list(self.permits):
                    for system in permit["locks"]:
                        starter = locks.Starter(self.run_id, permit["job"], self.vault.identity)
                        locks.acquire(self.vault, system, starter, lease)

    def verdict(self) -> Verdict:
        """Return how the run ended, by its results and whether its gate permitted anything."""
        return self.recorder.verdict(permitted=bool(self.permits))

    def close(self, verdict: Verdict | None = None) -> list[str]:
        """Record the end, sign it, give locks back, end the token; return what a person must be told.

        Args:
            verdict: how it ended; by default what its results and permits say.

        Raises:
            LedgerError: the end could not be recorded; locks and token are given back all the same.
        """
        _state.pop("current", None)
        warnings: list[str] = []
        try:
            warnings += self._record_end(verdict or self.verdict())
        finally:
            warnings += self.give_back()
        return warnings

    def _record_end(self, verdict: Verdict) -> list[str]:
        body = {
            **_common(self.intent, self.vault.identity),
            **self.recorder.body(),
            "status": verdict.status,
            "exit_code": verdict.exit_code,
            "reason": verdict.reason,
            "finished": utc_now(),
            "seconds": round(time.monotonic() - self.started, 3),
            "permits": self.permits,
        }
        self.ledger.finish(self.run_id, body, self.vault)
        fault = self.ledger.signing_fault
        return [f"the record's end is not signed yet, the next start will do it: {fault}"] if fault else []

    def give_back(self) -> list[str]:
        """Give locks back and end the token; return what could not be."""
        self._over.set()
        if self._keeper:
            self._keeper.join()  # else it could take a lock again
        warnings = []
        for system in sorted({system for permit in self.permits for system in permit["locks"]}):
            try:
                locks.release(self.vault, system, self.run_id)
            except VaultError as error:
                warnings.append(f"the lock of {system} stays until its lease is over: {error}")
        try:
            self.vault.revoke()
        except VaultError as error:
            warnings.append(f"the token ends by itself in at most {self.vault.lifetime_seconds} s: {error}")
        return warnings


def current() -> Session | None:
    """Return the run that this process, or the one that it was forked from, has open."""
    return _state.get("current")


def new_run_id() -> str:
    """Return `$YUNWEI_RUN_ID` the first time, then ids of our own: they sort by time and are not guessed twice.

    Raises `UsageError` where the variable holds something else than an id.
    """
    given = os.environ.pop("YUNWEI_RUN_ID", "")
    if given and not _RUN_ID.fullmatch(given):
        raise UsageError(f"YUNWEI_RUN_ID is {given!r}; allowed is r- and 4 to 60 letters, digits and hyphens")
    return given or f"r-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def open_session(intent: Intent) -> Session:
    """Log in once, open the run's record, and return the session.

    What was left unsigned is signed, and runs that died are closed as interrupted. A run that may not start is
    recorded as refused, unsigned where Vault is the reason.

    Raises:
        LedgerError: the ledger cannot be written.
        PolicyError, UsageError: the inventory is not valid.
        VaultError: one of the five faults.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file of this process would hold the token
    ledger = Ledger.open()
    try:
        policy = load(intent.inventory_dir)
        vault = VaultClient(policy.estate.vault)
        vault.login()
        session = Session(intent, policy, ledger, vault)
    except YunweiError as error:
        record_refused(ledger, intent, error)
        raise
    try:
        ledger.close_interrupted(vault)
        ledger.begin(_begin(intent, vault.identity), vault)
    except BaseException:
        session.give_back()
        raise
    fault = ledger.signing_fault
    if fault is not None:
        session.close(Verdict("refused", fault.exit_code, str(fault)))
        raise fault
    session.keep_alive()
    _state["current"] = session
    return session


def record_refused(ledger: Ledger, intent: Intent, error: YunweiError) -> None:
    """Record a run that may not start, unsigned: it is signed at the next start.

    Raises `LedgerError` where even that cannot be written.
    """
    ledger.close_interrupted()
    ledger.begin(_begin(intent, None))
    end = {**_common(intent, None), **Recorder().body(), "finished": utc_now()}
    ledger.finish(intent.run_id, {**end, "status": "refused", "exit_code": error.exit_code, "reason": str(error)})


def _begin(intent: Intent, who: str | None) -> dict[str, Any]:
    try:
        inventory_digest: str | None = digest_inventory(_whole(path) for path in intent.inventory)
    except OSError:
        inventory_digest = None
    return {
        **_common(intent, who),
        "started": utc_now(),
        "process": describe_self(),
        "controller": {**describe_controller(), **intent.versions},
        "inventory": [str(path) for path in intent.inventory],
        "inventory_digest": inventory_digest,
        "playbook": intent.playbook,
        "limit": intent.limit,
    }


def _whole(path: Path) -> Path:
    """Return the folder of an inventory file that has a policy beside it: that is part of the inventory."""
    return path.parent if path.is_file() and (path.parent / "policy").is_dir() else path


def _common(intent: Intent, who: str | None) -> dict[str, Any]:
    return {"run_id": intent.run_id, "job": intent.job, "check": intent.check, "who": who}
