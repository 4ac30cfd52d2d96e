"""The plan of a rollout: which hosts, in which order, why, when; and why others are left."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from yunwei.calendar import Calendar
from yunwei.ledger.chain import canonical
from yunwei.policy import Policy
from yunwei.restart.order import Candidate, make_batches
from yunwei.restart.windows import ask, expected_seconds, opening_words, overdue_before_opening
from yunwei.work.restarts import HostRestartWork, RestartWork

Row = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What the hosts said (`restart_facts`), what is asked of them, and how long they took before."""

    work: Mapping[str, RestartWork]
    said: Mapping[str, Mapping[str, Any]]
    measured: dict[str, int] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, HostRestartWork]:
        """Return the work of every host that answered."""
        return {name: one for part in self.work.values() for name, one in part["hosts"].items() if name in self.said}


@dataclass(frozen=True)
class Plan:
    """What is to be done: batches in order, and one row a host for people.

    `left` says why hosts that need a restart stay as they are, `unjudged` which hosts nobody could ask. `drained`
    are those that an earlier run has drained and that something stands against now. `steps` is what is done to each
    host that answered, by host and the system under which it was asked.
    """

    batches: list[Row]
    rows: list[Row]
    left: dict[str, str]
    unjudged: dict[str, str]
    drained: list[str]
    steps: dict[str, dict[str, Row]]

    @property
    def digests(self) -> dict[str, dict[str, str]]:
        """Return by host and system the SHA-256 of what the plan does there, not of the moment it was made."""
        return {
            host: {system: hashlib.sha256(canonical(step).encode("ascii")).hexdigest() for system, step in here.items()}
            for host, here in self.steps.items()
        }


def make_plan(policy: Policy, facts: Facts, now: datetime) -> Plan:
    """Return the plan for what the hosts said. Raises `UsageError` where no order obeys all systems."""
    asked = facts.asked
    partly = {name: _outside(one, facts.work) for name, one in asked.items()}
    needing = [name for name, one in asked.items() if _reasons(one, facts.said[name])]
    wanted = [name for name in needing if not partly[name]]
    blocked = {name: why for name in sorted(wanted) if (why := _blocks(facts.said[name]))}
    going = [
        Candidate(name, asked[name]["tiers"], bool(facts.said[name]["standby"]))
        for name in wanted
        if name not in blocked
    ]
    limits = policy.estate.restart
    batches = [
        _batch(policy, facts, number, hosts)
        for number, hosts in enumerate(make_batches(going, limits.max_at_once, limits.canary), 1)
    ]
    rows = [_row(policy, facts, batch["number"], host, now) for batch in batches for host in batch["hosts"]]
    rows += [_line(asked[name], "-", "blocked", why) for name, why in blocked.items()]
    rows += [_line(asked[name], "-", "left", why) for name, why in partly.items() if why]
    rest = [name for name in sorted(asked) if name not in wanted and not partly[name]]
    rows += [_resting(policy, facts, name, now) for name in rest]
    rows += [
        {"host": name, "system": part["system"], "item": "-", "status": "left", "reason": why}
        for part in facts.work.values()
        for name, why in part["left"].items()
    ]
    left = {**blocked, **{name: partly[name] for name in needing if partly[name]}}
    unjudged = {name: why for part in facts.work.values() for name, why in part["left"].items()}
    drained = [name for name in blocked if facts.said[name]["pending"] == "not yet"]
    turns = {host: batch["number"] for batch in batches for host in batch["hosts"]}
    steps = {
        name: {one["system"]: _step(one, facts.said[name], turns.get(name), name in drained)}
        for name, one in asked.items()
    }
    return Plan(batches, rows, left, unjudged, drained, steps)


def _step(one: HostRestartWork, said: Mapping[str, Any], turn: int | None, drained: bool) -> Row:
    """Return what is done to a host: in which batch it goes and what asks for it, less figures that change by the hour.

    What a host needs that is left alone does nothing to it.
    """
    sources = sorted({str(need["source"]) for need in said["needs"]}) or ["run"] * one["force"]
    return {"batch": turn, "why": sources if turn else [], "undrain": drained}


def _outside(one: HostRestartWork, work: Mapping[str, RestartWork]) -> str:
    missing = [system for system in one["systems"] if system not in work]
    return f"serves {', '.join(missing)} as well: name that system too" if missing else ""


def _reasons(one: HostRestartWork, said: Mapping[str, Any]) -> list[str]:
    needs = [str(need["reason"]) for need in said["needs"]]
    return needs or (["asked for by the run"] if one["force"] else [])


def _blocks(said: Mapping[str, Any]) -> str:
    return "; ".join(f"{one['item']}: {one['reason']}" for one in said["items"] if one["status"] == "blocks")


def _batch(policy: Policy, facts: Facts, number: int, hosts: Sequence[str]) -> Row:
    systems = {system for host in hosts for system in facts.asked[host]["systems"]}
    probing = [name for name, one in facts.asked.items() if systems & {probe["system"] for probe in one["probes"]}]
    return {
        "number": number,
        "hosts": list(hosts),
        "why": {host: _reasons(facts.asked[host], facts.said[host]) for host in hosts},
        "proving": sorted({*hosts, *probing}),
        "expected_seconds": expected_seconds(policy, hosts, facts.measured),
    }


def _row(policy: Policy, facts: Facts, number: int, host: str, now: datetime) -> Row:
    one = facts.asked[host]
    seconds = expected_seconds(policy, [host], facts.measured)
    answer = ask(policy, host, seconds, now)
    when = "now" if answer.may_begin else f"from {opening_words(Calendar(policy), answer)}"
    reasons = "; ".join(_reasons(one, facts.said[host]))
    return _line(one, f"batch {number}", "would restart", f"{reasons}; {when}, about {answer.needs}")


def _resting(policy: Policy, facts: Facts, host: str, now: datetime) -> Row:
    """Return the row of a host that needs nothing yet, with the forecast that it will be too late."""
    one, said = facts.asked[host], facts.said[host]
    answer = ask(policy, host, expected_seconds(policy, [host], facts.measured), now)
    due = overdue_before_opening(one, int(said["uptime_seconds"]), answer)
    if due is None:
        return _line(one, "-", "not needed", "")
    calendar = Calendar(policy)
    when = f"breaks the restart policy on {calendar.words(due)}, next opening: {opening_words(calendar, answer)}"
    return _line(one, "-", "will be overdue", when)


def _line(one: HostRestartWork, item: str, status: str, reason: str) -> Row:
    return {
        "host": one["host"],
        "system": ", ".join(one["systems"]),
        "item": item,
        "status": status,
        "reason": reason,
    }
