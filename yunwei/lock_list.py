"""Which run has a lock, whether that run lives, and what gives the lock back. Changes nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from yunwei.ledger import Ledger
from yunwei.ledger.process import is_alive
from yunwei.locks import LockSeen


class RunState(StrEnum):
    """Whether a run works, as far as this controller's ledger and processes can tell."""

    ALIVE = "alive"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class RunSeen:
    """A run as it is seen from here; `pid` is that of a process of this controller, None where it has none."""

    state: RunState
    pid: int | None = None


def see_run(ledger: Ledger | None, run_id: str) -> RunSeen:
    """Return whether a run works; without a ledger nobody here can tell."""
    record = ledger.find_run(run_id) if ledger else None
    if record is None:
        return RunSeen(RunState.UNKNOWN)
    if record["status"] != "open":
        return RunSeen(RunState.ENDED)
    alive = is_alive(record["process"])
    if alive is None:
        return RunSeen(RunState.UNKNOWN)
    return RunSeen(RunState.ALIVE, int(record["process"]["pid"])) if alive else RunSeen(RunState.ENDED)


def describe(seen: LockSeen, run: RunSeen) -> dict[str, Any]:
    """Return a lock in Vault as the list shows it."""
    return {
        "place": "vault",
        **asdict(seen.held),
        "lease_end": seen.lease_end,
        "lease_over": seen.over,
        "run_state": run.state,
        "pid": run.pid,
        "released_by": _released_by(seen, run),
    }


def describe_on_host(host: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return a lock on a host as the list shows it: the kernel says who holds it, so its process lives."""
    keys = ("system", "run_id", "job", "since")
    return {
        "place": host,
        **{key: found.get(key) for key in keys},
        "run_state": RunState.ALIVE,
        "pid": found.get("pid"),
        "released_by": f"the end of process {found.get('pid')} on {host}, and nothing else",
    }


def _released_by(seen: LockSeen, run: RunSeen) -> str:
    command = f"yunwei locks release {seen.held.system} --reason …"
    if seen.over:
        return f"the next run, which takes it over; or: {command}"
    if run.state is RunState.ENDED:
        return f"the next run on this controller; or: {command}"
    if run.state is RunState.ALIVE:
        return f"its own end: process {run.pid} on this controller, Ctrl-C ends it"
    return f"its own end, or that of its lease; where {seen.held.controller} is dead: {command}"
