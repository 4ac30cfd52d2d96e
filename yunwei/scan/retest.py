"""Self-test of a report's findings: what the read-only check of `harden-servers` says of the rules that answer them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from yunwei.ledger import utc_now
from yunwei.plans import write_private
from yunwei.policy.catalogue import Rule
from yunwei.scan.changes import Change
from yunwei.scan.plan import HostPolicy, Outcome, Planner
from yunwei.scan.store import Document, ScanStoreError, Store
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
    """A finding and what the check of its rules came to; `fixed` says that every setting of them is in force.

    `disposition` is its outcome in the plan, `change` what was changed for it and `evidence` the record of that.
    """

    finding: str
    host: str
    name: str
    disposition: str
    change: str
    evidence: str
    rules: list[str]
    verdict: Verdict
    why: str


@dataclass(frozen=True)
class Result:
    """What the newest self-test says of a finding, when, and the id of its record."""

    verdict: Verdict
    why: str
    rules: list[str]
    time: str
    evidence_id: str


def by_change(one: Outcome, change: Change | None, planner: Planner) -> Outcome:
    """Return the outcome; where people had other rules set for the finding than the catalogue's, these answer it."""
    if change is None or change.undone or one.kind not in ("person", "update"):
        return one
    known = planner.catalogue.rules
    rules = tuple(known[name] for name in change.rules if name in known and known[name].remedy == "settings")
    can_be_checked = planner.hosts[one.finding.host].is_hardened
    return replace(one, kind="harden", why="", rules=rules) if rules and can_be_checked else one


def to_check(document: Document, outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """Return a scan plan of just the rules that answer findings, None where no rule of settings does."""
    hosts: dict[str, dict[str, list[dict[str, str]]]] = {}
    for one in (one for one in outcomes if one.kind == "harden"):
        for rule in one.rules:
            rows = hosts.setdefault(one.finding.host, {}).setdefault(rule.id, [])
            rows.append({"id": one.finding.id})
    if not hosts:
        return None
    return {
        "report": {"id": document["id"], "sha256": document["sha256"]},
        "hosts": [
            {"host": host, "harden": [{"rule": rule, "findings": rows} for rule, rows in rules.items()]}
            for host, rules in hosts.items()
        ],
    }


def judge(
    outcomes: Sequence[Outcome], planner: Planner, rows: Sequence[Row], changes: Mapping[str, Change] | None = None
) -> list[Tested]:
    """Return what became of each finding, by the rows of a run of `harden-servers` in check mode."""
    said: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        said.setdefault((row["host"], row.get("rule", "")), []).append(row)
    return [_tested(one, planner, said, (changes or {}).get(one.finding.id)) for one in outcomes]


def keep(store: Store, identity: str, run: Mapping[str, Any], tested: Sequence[Tested]) -> None:
    """Store what a run found of a report's findings, beside the report."""
    document = {"report": identity, "run_id": run["run_id"], "evidence_id": run["evidence_id"], "time": utc_now(),
                "findings": [asdict(one) for one in tested]}  # fmt: skip
    with store.writing():
        path = store.folder / f"{identity}.{run['run_id']}.retest.json"
        write_private(json.dumps(document, ensure_ascii=False, indent=1) + "\n", path)


def newest(store: Store, identity: str) -> dict[str, Result]:
    """Return the newest result of each finding of a report that was ever tested.

    What an earlier version kept, without its time, does not count. Raises `ScanStoreError` for a damaged file.
    """
    found: dict[str, Result] = {}
    paths = store.folder.glob(f"{identity}.*.retest.json")
    documents = [_kept(path) for path in paths]
    for document in sorted((one for one in documents if "time" in one), key=lambda one: str(one["time"])):
        for one in document["findings"]:
            result = Result(one["verdict"], one["why"], one["rules"], document["time"], document["evidence_id"])
            found[one["finding"]] = result
    return found


def _kept(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ScanStoreError(f"the self-test {path} cannot be read: {error}; move it away, and test again") from error


def in_words(change: Change) -> str:
    """Return what was changed, when and by whom, for people."""
    undone = f", taken back by {change.undone}" if change.undone else ""
    return f"{', '.join(change.rules)} set {change.time[:10]} by {change.who}{undone}"


def _tested(
    one: Outcome, planner: Planner, said: Mapping[tuple[str, str], Sequence[Row]], change: Change | None
) -> Tested:
    found = one.finding
    if one.kind == "harden":
        answers = [_rule(rule, planner.hosts[found.host], said.get((found.host, rule.id), [])) for rule in one.rules]
        verdict, why = min(answers, key=lambda answer: VERDICTS.index(answer[0]))
    else:
        verdict, why = "could not judge", one.why or "an update of a package: the check looks at settings"
    names = [rule.id for rule in one.rules]
    changed, evidence = (in_words(change), change.run_id) if change else ("", "")
    return Tested(
        found.id, visible(found.host), visible(found.name), one.kind, changed, evidence, names, verdict, visible(why)
    )


def _rule(rule: Rule, host: HostPolicy, rows: Sequence[Row]) -> tuple[Verdict, str]:
    wrong = [row for row in rows if row["status"] == _DIFFERS]
    if wrong:
        return "open", f"{wrong[0]['item']}: {wrong[0]['reason']}"
    unjudged = [row for row in rows if row["status"] not in _GOOD]
    if unjudged:
        return "could not judge", f"{unjudged[0]['item']}: {unjudged[0]['status']}: {unjudged[0]['reason']}"
    if not any(row["status"] == _IN_FORCE for row in rows):
        what = "nothing of it is on this host" if rows else "the check said nothing of it"
        return "could not judge", f"{rule.id}: {what}"
    later = "; policy does not ask for it, so no later run keeps it so" if host.missing([rule]) else ""
    return "fixed", f"{rule.id}: every setting of it is in force{later}"
