"""What runs by a scan plan have changed for findings, as the evidence ledger has it: from a finding to its change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from yunwei.ledger import Entry
from yunwei.plans import chosen_hosts, item_rows


@dataclass(frozen=True)
class Change:
    """The newest change for a finding: which rules were set on its host, by which run (the id of its record), whose.

    `report` is the report whose plan asked for it. `undone` is the run that took it back, "" where none did.
    """

    finding: str
    host: str
    report: str
    rules: list[str]
    run_id: str
    who: str
    time: str
    undone: str = ""
    undone_time: str = ""


def changes(entries: Iterable[Entry]) -> dict[str, Change]:
    """Return the newest change for each finding that has one; `entries` are the ledger's, oldest first."""
    found: dict[str, Change] = {}
    ends = (entry.body for entry in entries if entry.kind == "run-end")
    for end in (body for body in ends if not body.get("check")):
        if end["job"] == "harden-servers":
            found.update((one.finding, one) for one in _made_by(end))
        elif end["job"] == "undo":
            found = _taken_back_by(end, found)
    return found


def _made_by(end: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what one run changed and kept."""
    permits, tasks = end.get("permits", []), end["tasks"]
    kept = {(task["host"], task["yunwei"]["system"]) for task in tasks if (task.get("yunwei") or {}).get("kept")}
    rows = [row for row in item_rows(tasks) if row.get("status") == "changed" and (row["host"], row["system"]) in kept]
    changed = {(row["host"], row["rule"]) for row in rows}
    for host, rules in chosen_hosts(permits).items():
        by_finding: dict[str, list[str]] = {}
        for rule, findings in rules.items():
            for finding in findings if (host, rule) in changed else []:
                by_finding.setdefault(finding, []).append(rule)
        report = next(permit["options"]["scan_plan"]["report"] for permit in permits)
        for finding, names in by_finding.items():
            yield Change(finding, host, report, names, end["run_id"], str(end["who"]), end["finished"])


def _taken_back_by(end: Mapping[str, Any], known: Mapping[str, Change]) -> dict[str, Change]:
    hosts = {row["host"] for row in item_rows(end["tasks"]) if row.get("status") == "put back"}
    wanted = {permit["options"].get("change") for permit in end.get("permits", [])}
    return {
        name: replace(one, undone=end["run_id"], undone_time=end["finished"])
        if one.run_id in wanted and one.host in hosts
        else one
        for name, one in known.items()
    }
