"""Turns visits into the inspection's document: every line, what it comes to, and what the next one compares with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from yunwei.errors import RefusedError, UsageError
from yunwei.inspection import drift
from yunwei.inspection.check import Check, finding, unread, verdict
from yunwei.inspection.facts import Facts
from yunwei.inspection.host import judge_host, store_of
from yunwei.inspection.past import Past, judge_jobs, judge_probe
from yunwei.inspection.store import judge_store
from yunwei.inspection.visit import Visit
from yunwei.ledger import Entry
from yunwei.paths import content_root
from yunwei.policy import Policy, System
from yunwei.report.inspection import advise, inspection_words, tell
from yunwei.report.units import Units
from yunwei.work import retire_work
from yunwei.work.pins import read_public_file

_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "local": ("repository_gate.py", "site_facts.py"),
    "miyun": (
        "repository_gate.py",
        "append_session.py",
        "append_rules.py",
        "hpack.py",
        "site_limits.py",
        "site_facts.py",
        "miyun_receipt.py",
        "miyun_reread.py",
        "miyun_head.py",
        "miyun_copies.py",
    ),
}
EXIT_CODES = {"passed": 0, "findings": 1, "could not judge": 4}


@dataclass(frozen=True)
class Circumstances:
    """What the document says beside its lines."""

    policy: Policy
    systems: Sequence[System]
    started: datetime
    finished: datetime
    entries: Sequence[Entry]
    evidence_id: str
    ledger_head: Mapping[str, Any]
    versions: Mapping[str, Any]


def build(about: Circumstances, visits: Sequence[Visit], certificate: Check) -> dict[str, Any]:
    """Return the document, keys as in `yunwei.report.inspection.Inspection`."""
    sites = list(dict.fromkeys(visit.site for visit in visits))
    checks = [*_lines(about, visits), certificate]
    return {
        "format": 1,
        "verdict": verdict(checks),
        "estate": about.policy.estate.name,
        "sites": sites,
        "systems": {system.id: {"zh": system.name.zh, "en": system.name.en} for system in about.systems},
        "started": _text(about.started, about.policy),
        "finished": _text(about.finished, about.policy),
        "timezone": about.policy.estate.timezone,
        "checks": [_plain(check) for check in checks],
        "measures": measures(visits),
        "evidence_id": about.evidence_id,
        "ledger_head": dict(about.ledger_head),
        "versions": {name: str(value) for name, value in about.versions.items()},
    }


def measures(visits: Sequence[Visit]) -> dict[str, dict[str, Any]]:
    """Return the figures that a later inspection compares with, by place."""
    found: dict[str, dict[str, Any]] = {}
    for visit in visits:
        if visit.facts is None:
            continue
        store = store_of(visit.facts)
        if store is not None:
            found[visit.site] = {"free_bytes": store["free_bytes"]}
        repository = visit.facts["repository"]
        if repository is not None:
            found[visit.place] = {"bytes": repository["bytes"], "keys": repository["keys"]}
    return found


def _lines(about: Circumstances, visits: Sequence[Visit]) -> Iterator[Check]:
    past = Past.read(about.entries, about.finished)
    limits = about.policy.estate.inspection
    seen: set[str] = set()
    for visit in visits:
        if visit.facts is not None and visit.site not in seen:
            seen.add(visit.site)
            yield from _site(about, visit, past)
        system = about.policy.system(visit.system)
        yield from judge_store(visit, system, limits, about.finished, past)
        if visit.facts is not None:
            yield from drift.judge_accounts(visit.place, visit.facts, _authorized(about.policy, visit))
        if visit.facts is not None and visit.site == "miyun":
            yield drift.judge_rules(visit.place, visit.facts, _rules(about, visit.system))
            yield _probe(about, visit)
    for system in about.systems:
        yield from judge_jobs(system.id, limits.job_days, about.entries, about.finished)


def _site(about: Circumstances, visit: Visit, past: Past) -> Iterator[Check]:
    """Yield the lines of a site as a whole, from the first visit that reached it."""
    limits, facts = about.policy.estate.inspection, visit.facts
    if facts is None or visit.clock is None:
        return
    yield from judge_host(visit.site, _as_mounted(about, visit.site, facts), visit.clock, limits, past)
    yield drift.judge_programs(visit.site, facts, release_programs(visit.site))
    yield drift.judge_foreign(visit.site, facts)
    if visit.site == "miyun":
        yield _receipt_key(about.policy, visit.site, facts)


def _as_mounted(about: Circumstances, site: str, facts: Facts) -> Facts:
    """Return the facts; a replica is mounted so that nothing here can write to it, and that is no fault of its disk."""
    if site != "miyun" or about.policy.estate.sites.miyun.kind != "vendor_replica" or not facts["disks"]:
        return facts
    disks = [{**disk, "read_only": disk["read_only"] and not disk["holds_store"]} for disk in facts["disks"]]
    return cast(Facts, {**facts, "disks": disks})


def _probe(about: Circumstances, visit: Visit) -> Check:
    estate = about.policy.estate
    if estate.sites.miyun.kind == "vendor_replica":
        return finding(visit.place, "probe_impossible", "low")
    return judge_probe(visit.place, visit.system, estate.inspection.probe_days, about.entries, about.finished)


def _receipt_key(policy: Policy, site: str, facts: Facts) -> Check:
    path = Path(policy.estate.sites.miyun.receipt_public_key_file)
    try:
        pinned = read_public_file(path, "the key that signs the second site's receipts")
    except UsageError as error:
        return unread(site, "receipt", str(error))
    return drift.judge_receipt_key(site, facts, pinned, policy.estate.inspection)


def release_programs(site: str) -> dict[str, str]:
    """Return the digests of the programs that this release puts in front of a site's store."""
    folder = content_root() / "roles" / "miyun_site" / "files"
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _PROGRAMS[site]}


def _authorized(policy: Policy, visit: Visit) -> dict[str, str | None]:
    """Return the one key that each account of a site should let in for a system."""
    if visit.site == "local":
        return {str(policy.estate.sites.local.read_user): visit.public_key}
    miyun = policy.estate.sites.miyun
    return {miyun.read_user: visit.public_key, miyun.append_user: _handed_over(miyun.handed_over_keys, visit.system)}


def _handed_over(folder: str | None, system: str) -> str | None:
    try:
        return (
            read_public_file(Path(folder) / system / "miyun-append.pub", "a key that was handed over")
            if folder
            else None
        )
    except UsageError:
        return None


def _rules(about: Circumstances, system: str) -> dict[str, Any] | str:
    try:
        return dict(retire_work(about.policy, system, "miyun", about.finished))
    except RefusedError as error:
        return str(error)


def _plain(check: Check) -> dict[str, Any]:
    """Return a line as the document holds it."""
    english = Units(inspection_words("en"))
    return {
        **vars(check),
        "evidence": tell(check.cause, check.values, english),
        "advice": None if check.status in ("good", "none") else advise(check.cause, english),
    }


def _text(moment: datetime, policy: Policy) -> str:
    return moment.astimezone(policy.estate.zone).isoformat(timespec="seconds")
