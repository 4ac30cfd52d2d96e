"""One lock per system, kept in Vault by check-and-set: who holds it, since when, and a number that only rises.

The number is the version that Vault gave the write that took the lock. Acting sides may remember the highest number
they saw and refuse a lower one: a controller that slept through its lease is recognised. Leases are judged by Vault's
clock alone. An entry is never deleted (the policies do not allow it), so the number never starts again.
"""

from __future__ import annotations

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
    """A lock as it is held: `number` rises with every taking, `since` is Vault's time."""

    system: str
    number: int
    run_id: str
    job: str
    who: str
    controller: str
    since: str
    lease_seconds: int


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
    found = vault.cas_read(_path(system))
    return _holder(found, vault.server_time())


def _wanted(system: str, starter: Starter, lease: int, now: datetime) -> LockHeld:
    return LockHeld(
        system, 0, starter.run_id, starter.job, starter.who, socket.gethostname(), _text(now), lease_seconds=lease
    )


def _decide(found: Versioned, now: datetime, wanted: LockHeld) -> LockHeld:
    """Return the lock to be written; pure."""
    current = _holder(found, now)
    if current is None:
        return replace(wanted, number=found.version + 1)
    if current.run_id != wanted.run_id:
        raise LockBusyError(_busy(current, now))
    return replace(current, lease_seconds=wanted.lease_seconds)


def _holder(found: Versioned, now: datetime) -> LockHeld | None:
    if not _is_held(found) or found.data is None or found.created is None:
        return None
    held = LockHeld(**{name: found.data[name] for name in LockHeld.__dataclass_fields__})
    return held if now < found.created + timedelta(seconds=held.lease_seconds) else None


def _is_held(found: Versioned) -> bool:
    return found.data is not None and found.data.get("state") == "held"


def _busy(current: LockHeld, now: datetime) -> str:
    return (
        f"{current.system} is locked: job {current.job}, run {current.run_id}, started by {current.who} "
        f"on {current.controller}, holds it since {current.since} (now {_text(now)}; lock number {current.number}). "
        f"Wait until it ends, or until its lease of {current.lease_seconds} s is over, and start again."
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _path(system: str) -> str:
    return f"locks/{system}"
