"""What people read: the entries of one run put together. Pure functions over entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import Any

from yunwei.ledger.chain import Entry

NOT_VERIFIED = "not verified"
_OF_A_RUN = ("run-begin", "run-end")
_COLUMNS = ("id", "kind", "time", "run_id", "job", "check", "who", "status", "exit_code", "verification", "signed")


def interrupted(begin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the end of a run whose process died without one."""
    return {
        "status": "interrupted",
        "exit_code": 1,
        "reason": "its process ended without a record of its end; hosts may have gone on to the end of their step",
        "job": begin.get("job"),
        "check": begin.get("check"),
        "who": begin.get("who"),
        "hosts": {},
        "tasks": [],
        "artifacts": [],
    }


def without_end(entries: Sequence[Entry]) -> list[Entry]:
    """Return the beginnings of the runs that have no end."""
    ended = {entry.id for entry in entries if entry.kind == "run-end"}
    return [entry for entry in entries if entry.kind == "run-begin" and entry.id not in ended]


def rows(entries: Sequence[Entry], signed: Set[int]) -> list[dict[str, Any]]:
    """Return one row for each run and each other record, oldest first.

    Args:
        entries: all of the ledger.
        signed: the numbers of the entries that have a signature.
    """
    by_run: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_run[_run_of(entry)].append(entry)
    found = []
    for entry in entries:
        if entry.kind == "run-begin":
            found.append(_run(entry.id, by_run[entry.id], signed))
        elif entry.kind not in (*_OF_A_RUN, "key"):
            found.append(_record(entry, signed))
    return [{name: record.get(name) for name in _COLUMNS} for record in found]


def find(identifier: str, entries: Sequence[Entry], signed: Set[int]) -> dict[str, Any] | None:
    """Return everything recorded under a run's id, another record's id, or an entry's number; or None."""
    run = find_run(identifier, [entry for entry in entries if _run_of(entry) == identifier], signed)
    if run:
        return run
    for entry in entries:
        if identifier in (entry.id, str(entry.seq)):
            return _record(entry, signed)
    return None


def find_run(run_id: str, entries: Sequence[Entry], signed: Set[int]) -> dict[str, Any] | None:
    """Return the record of a run from its own and its linked entries; None where it never began."""
    return _run(run_id, entries, signed) if any(entry.kind in _OF_A_RUN for entry in entries) else None


def _run_of(entry: Entry) -> str:
    return entry.id.partition("/")[0]


def _run(run_id: str, entries: Sequence[Entry], signed: Set[int]) -> dict[str, Any]:
    own = [entry for entry in entries if entry.kind in _OF_A_RUN]
    proofs = [entry for entry in entries if entry.kind == "verification"]
    merged: dict[str, Any] = {"status": "open", "exit_code": None, "reason": None, "tasks": [], "hosts": {}}
    for entry in own:
        merged.update({name: value for name, value in entry.body.items() if value is not None})
    return {
        **merged,
        "id": run_id,
        "kind": "run",
        "time": own[0].time,
        "verification": proofs[-1].body.get("verdict") if proofs else NOT_VERIFIED,
        "verifications": [{"id": entry.id, **entry.body} for entry in proofs],
        "signed": _signed(own, signed),
        "digest": own[-1].hash,
        "entries": [entry.seq for entry in own],
    }


def _record(entry: Entry, signed: Set[int]) -> dict[str, Any]:
    body = entry.body
    return {
        **body,
        "id": entry.id,
        "kind": entry.kind,
        "time": entry.time,
        "status": body.get("status", body.get("verdict")),
        "signed": _signed([entry], signed),
        "digest": entry.hash,
        "entries": [entry.seq],
    }


def _signed(entries: Sequence[Entry], signed: Set[int]) -> str:
    """Return `yes`, `later` (Vault was away when it was written) or `no` (not yet)."""
    if not all(entry.seq in signed for entry in entries):
        return "no"
    return "yes" if all(entry.envelope["signed"] for entry in entries) else "later"
