"""Self-test of a report's findings: what the read-only check of `harden-servers` says of the rules that answer them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from yunwei.plans import write_private
from yunwei.policy.catalogue import Rule
from yunwei.scan.plan import HostPolicy, Outcome, Planner
from yunwei.scan.store import Store
from yunwei.scan.visible import visible

Verdict = Literal["open", "could not judge", "fixed"]
VERDICTS: tuple[Verdict, ...] = ("open", "could not judge", "fixed")
# What a host says of a setting in check mode; whatever else it says judges nothing.
_DIFFERS = "would change"
_GOOD = frozenset(["as wanted", "not on this host"])
_IN_FORCE = "as wanted"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Tested:
    """A finding and what the check of its rules came to; `fixed` says that every setting of them is in force."""

    finding: str
    host: str
    name: str
    rules: list[str]
    verdict: Verdict
    why: str


def testable(outcomes: Sequence[Outcome], planner: Planner) -> dict[str, list[str]]:
    """Return the hosts that the check looks at, each with the systems whose rules it checks there."""
    hosts = {one.finding.host: planner.hosts[one.finding.host] for one in outcomes if one.kind == "harden"}
    return {name: [system.id for system in host.hardened] for name, host in hosts.items()}


def judge(outcomes: Sequence[Outcome], planner: Planner, rows: Sequence[Row]) -> list[Tested]:
    """Return what became of each finding, by the rows of a run of `harden-servers` in check mode."""
    said: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        said.setdefault((row["host"], row.get("rule", "")), []).append(row)
    return [_tested(one, planner, said) for one in outcomes]


def keep(store: Store, identity: str, run: Mapping[str, Any], tested: Sequence[Tested]) -> None:
    """Store what a run found of a report's findings, beside the report."""
    document = {"report": identity, "run_id": run["run_id"], "evidence_id": run["evidence_id"],
                "findings": [asdict(one) for one in tested]}  # fmt: skip
    with store.writing():
        path = store.folder / f"{identity}.{run['run_id']}.retest.json"
        write_private(json.dumps(document, ensure_ascii=False, indent=1) + "\n", path)


def _tested(one: Outcome, planner: Planner, said: Mapping[tuple[str, str], Sequence[Row]]) -> Tested:
    found = one.finding
    if one.kind == "harden":
        answers = [_rule(rule, planner.hosts[found.host], said.get((found.host, rule.id), [])) for rule in one.rules]
        verdict, why = min(answers, key=lambda answer: VERDICTS.index(answer[0]))
    else:
        verdict, why = "could not judge", one.why or "an update of a package: the check looks at settings"
    names = [rule.id for rule in one.rules]
    return Tested(found.id, visible(found.host), visible(found.name), names, verdict, visible(why))


def _rule(rule: Rule, host: HostPolicy, rows: Sequence[Row]) -> tuple[Verdict, str]:
    if host.missing([rule]):
        return "could not judge", f"policy does not ask for {rule.id} on this host, so its check leaves it out"
    wrong = [row for row in rows if row["status"] == _DIFFERS]
    if wrong:
        return "open", f"{wrong[0]['item']}: {wrong[0]['reason']}"
    unjudged = [row for row in rows if row["status"] not in _GOOD]
    if unjudged:
        return "could not judge", f"{unjudged[0]['item']}: {unjudged[0]['status']}: {unjudged[0]['reason']}"
    if not any(row["status"] == _IN_FORCE for row in rows):
        what = "nothing of it is on this host" if rows else "the check said nothing of it"
        return "could not judge", f"{rule.id}: {what}"
    return "fixed", f"{rule.id}: every setting of it is in force"
