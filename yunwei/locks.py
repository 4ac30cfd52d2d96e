"""One lock per system, kept in Vault by check-and-set: who holds it, since when, and a number that only rises.

The number is the version that Vault gave the write that took the lock. Every host remembers the highest number that
acted on it and refuses a lower one: a controller that slept through its lease is recognised. Leases are judged by
Vault's clock alone. An entry is never deleted (the policies do not allow it), so the number never starts again; where
an administrator, or a new Vault, lets it, the entry begins another `series`, by which hosts tell the two apart.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from yunwei.errors import LockBusyError, VaultError
from yunwei.vault import VaultClient, Versioned

_ATTEMPTS = 8


@dataclass(frozen=True)
class Starter:
    """Who wants a lock: the run, its job and the Vault identity behind it."""

    run_id: str
    job: str
    who: str


@dataclass(frozen=True)
class LockHeld:
    """A lock as it is held: `number` rises with every taking within `series`, `since` is Vault's time."""

    system: str
    number: int
    series: str
    run_id: str
    job: str
    who: str
    controller: str
    since: str
    lease_seconds: int


@dataclass(frozen=True)
class LockSeen:
    """A lock that was not given back: who has it, when the lease ends by Vault's time, and whether it is over."""

    held: LockHeld
    lease_end: str
    over: bool


def acquire(vault: VaultClient, system: str, starter: Starter, lease: int) -> LockHeld:
    """Take the system's lock, or prolong it where this run already holds it.

    Args:
        vault: logged in, with the job's policy for the system.
        system: the system's id.
        starter: the run that wants it; the same run may take it again and keeps its number.
        lease: seconds after which another run may take it over.

    Raises:
        LockBusyError: another run holds it within its lease; the message names it.
    """
    for _ in range(_ATTEMPTS):
        found = vault.cas_read(_path(system))
        now = vault.server_time()
        held = _decide(found, now, _wanted(system, starter, lease, now))
        if vault.cas_write(_path(system), {**asdict(held), "state": "held"}, found.version):
            return held
    raise VaultError(f"the lock of {system} changed {_ATTEMPTS} times while it was being taken. Start again.")


def release(vault: VaultClient, system: str, run_id: str) -> bool:
    """Give the lock back if this run holds it, keeping its number; return whether it did."""
    for _ in range(_ATTEMPTS):
        found = vault.cas_read(_path(system))
        if not _is_held(found) or found.data is None or found.data["run_id"] != run_id:
            return False
        if vault.cas_write(_path(system), {**found.data, "state": "free"}, found.version):
            return True
    raise VaultError(f"the lock of {system} changed {_ATTEMPTS} times while it was being given back.")


def holder(vault: VaultClient, system: str) -> LockHeld | None:
    """Return who holds the lock within its lease, or None."""
    return _holder(vault.cas_read(_path(system)), vault.server_time())


def look(vault: VaultClient, system: str) -> LockSeen | None:
    """Return the lock as it was taken last, also where its lease is over; None where it was given back."""
    return _seen(vault.cas_read(_path(system)), vault.server_time())


def _wanted(system: str, starter: Starter, lease: int, now: datetime) -> LockHeld:
    return LockHeld(
        system=system,
        number=0,
        series=secrets.token_hex(8),
        run_id=starter.run_id,
        job=starter.job,
        who=starter.who,
        controller=socket.gethostname(),
        since=_text(now),
        lease_seconds=lease,
    )


def _decide(found: Versioned, now: datetime, wanted: LockHeld) -> LockHeld:
    """Return the lock to be written; pure."""
    current = _holder(found, now)
    if current is None:
        series = (found.data or {}).get("series") or wanted.series
        return replace(wanted, number=found.version + 1, series=series)
    if current.run_id != wanted.run_id:
        raise LockBusyError(_busy(current, now))
    return replace(current, lease_seconds=wanted.lease_seconds)


def _holder(found: Versioned, now: datetime) -> LockHeld | None:
    seen = _seen(found, now)
    return seen.held if seen and not seen.over else None


def _seen(found: Versioned, now: datetime) -> LockSeen | None:
    if not _is_held(found) or found.data is None or found.created is None:
        return None
    # A lock that an older release took has no series.
    held = LockHeld(**{name: found.data.get(name, "") for name in LockHeld.__dataclass_fields__})
    end = found.created + timedelta(seconds=held.lease_seconds)
    return LockSeen(held, _text(end), over=now >= end)


def _is_held(found: Versioned) -> bool:
    return found.data is not None and found.data.get("state") == "held"


def _busy(current: LockHeld, now: datetime) -> str:
    return (
        f"{current.system} is locked: job {current.job}, run {current.run_id}, started by {current.who} "
        f"on {current.controller}, holds it since {current.since} (now {_text(now)}; lock number {current.number}). "
        f"Wait until it ends, or until its lease of {current.lease_seconds} s is over, and start again. "
        f"Where its controller is dead: yunwei locks release {current.system} --reason …"
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _path(system: str) -> str:
    return f"locks/{system}"
