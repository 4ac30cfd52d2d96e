"""What an inspection of databases came to: what hosts found, and what only the ledger knows of backups and growth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from yunwei.ledger import Entry
from yunwei.policy import Policy

EXIT_CODES = {"passed": 0, "findings": 1, "could not judge": 4}
JOB = "inspect-databases"
_DAY = 86400
# Growth is measured over a day at least: less says nothing of a month.
_LEAST_DAYS, _MOST_DAYS = 1.0, 100.0
Finding = dict[str, Any]


def judge(run: Mapping[str, Any], policy: Policy, entries: Sequence[Entry], now: datetime) -> dict[str, Any]:
    """Return the inspection as one document.

    Args:
        run: the document of the run (`yunwei.launch.Result`).
        policy: for the promises about backups and growth.
        entries: the ledger's.
        now: an aware time.

    Returns:
        `verdict`, `exit_code`, `run_id`, and `databases`: each with `system`, `host`, `item`, `engine`, `measures`,
        `findings` ({check, severity, object, evidence}) and `unknown` ({part, reason}).
    """
    databases = [_database(told, host, policy, entries, now) for told, host in told_of(run)]
    missing = missing_of(run, databases, policy)
    verdict = _verdict([*databases, *missing])
    return {
        "run_id": run["run_id"],
        "evidence_id": run["evidence_id"],
        "verdict": verdict,
        "exit_code": EXIT_CODES[verdict],
        "databases": [*databases, *missing],
    }


def told_of(run: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield (what was told, host) of each database that hosts told anything of."""
    for task in run["results"]:
        for told in task["yunwei"].get("databases", []):
            yield {"system": task["yunwei"]["system"], **told}, task["host"]


def _verdict(databases: Sequence[Mapping[str, Any]]) -> str:
    if any(one["findings"] for one in databases):
        return "findings"
    if not databases or any(one["unknown"] for one in databases):
        return "could not judge"
    return "passed"


def _database(
    told: Mapping[str, Any], host: str, policy: Policy, entries: Sequence[Entry], now: datetime
) -> dict[str, Any]:
    unknown = list(told["unknown"])
    if told["not_judged"]:
        unknown.append({"part": "database", "reason": told["not_judged"]})
    about = {name: told[name] for name in ("system", "item", "engine")}
    measures = told.get("measures", {})
    findings = [*told["findings"], *_backup(told, policy, entries, now), *_growth(told, policy, entries, now)]
    return {**about, "host": host, "measures": measures, "findings": findings, "unknown": unknown}


def missing_of(run: Mapping[str, Any], found: Sequence[Mapping[str, Any]], policy: Policy) -> list[dict[str, Any]]:
    """Return the databases of the systems asked for that nobody told anything of: a host that was not reached."""
    seen = {(one["system"], one["item"]) for one in found}
    reason = run["reason"] or "its host was not asked, or did not answer"
    return [
        {"system": system, "item": f"database:{one.name}", "engine": one.engine, "host": one.host, "measures": {},
         "findings": [], "unknown": [{"part": "database", "reason": reason}]}
        for system in run["systems"]
        for one in policy.system(system).databases
        if (system, f"database:{one.name}") not in seen
    ]  # fmt: skip


def _finding(check: str, severity: str, thing: str | None, **evidence: Any) -> Finding:
    return {"check": check, "severity": severity, "object": thing, "evidence": evidence}


def _backup(told: Mapping[str, Any], policy: Policy, entries: Sequence[Entry], now: datetime) -> list[Finding]:
    """Return whether the newest good backup that the ledger knows is older than what is promised."""
    (item,) = [one for one in policy.system(told["system"]).items() if one.id == told["item"]]
    moments = [moment for entry in entries for moment in _accepted(entry, told["system"], told["item"])]
    if not moments:
        return [_finding("backup_never", "high", None)]
    age = int((now - max(moments)).total_seconds())
    if age <= item.rpo_seconds:
        return []
    return [_finding("backup_old", "high", None, age_seconds=age, limit_seconds=item.rpo_seconds)]


def _accepted(entry: Entry, system: str, item: str) -> Iterator[datetime]:
    for summary in _summaries(entry, "back-up"):
        for row in summary.get("items", []):
            if summary.get("system") == system and row.get("item") == item and row.get("status") == "accepted":
                yield _moment(row.get("snapshot_at") or entry.time)


def _growth(told: Mapping[str, Any], policy: Policy, entries: Sequence[Entry], now: datetime) -> list[Finding]:
    """Return whether the file system will be full too soon if the database goes on growing as it did."""
    size = told.get("measures", {}).get("size_bytes")
    past = [one for one in _past(told, entries, now) if _LEAST_DAYS <= one[0] <= _MOST_DAYS]
    if size is None or not past:
        return []
    days, then = max(past)
    per_day = (size - then) / days
    limit = policy.estate.databases.inspection.days_until_full
    return [
        _finding("full_soon", "medium", place["place"], free_bytes=place["free"], per_day_bytes=int(per_day),
                 days=int(place["free"] / per_day))
        for place in told["measures"].get("places", [])
        if per_day > 0 and 0 in place["tablespaces"] and place["free"] / per_day < limit
    ]  # fmt: skip


def _past(told: Mapping[str, Any], entries: Sequence[Entry], now: datetime) -> Iterator[tuple[float, int]]:
    """Yield (days ago, bytes) of the earlier inspections of a database."""
    for entry in entries:
        for summary in _summaries(entry, JOB):
            for one in summary.get("databases", []) if summary.get("system") == told["system"] else []:
                size = one.get("measures", {}).get("size_bytes")
                if one.get("item") == told["item"] and size is not None:
                    yield (now - _moment(entry.time)).total_seconds() / _DAY, size


def _summaries(entry: Entry, job: str) -> Iterator[Mapping[str, Any]]:
    if entry.kind == "run-end" and entry.body.get("job") == job and not entry.body.get("check"):
        for task in entry.body.get("tasks", []):
            if isinstance(task.get("yunwei"), Mapping):
                yield task["yunwei"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
