"""What earlier inspections measured, and the last results of jobs: all from the ledger's entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from yunwei.inspection.check import DAY, Check, finding, good, unknown
from yunwei.ledger import Entry

RECORD = "inspection"
# Growth is measured over a day at least: less says nothing of a month.
LEAST_DAYS = 1.0


@dataclass(frozen=True)
class Past:
    """Earlier inspections, newest first: how many days ago, and the figures by place."""

    rows: Sequence[tuple[float, Mapping[str, Mapping[str, Any]]]]

    @classmethod
    def read(cls, entries: Iterable[Entry], now: datetime) -> Past:
        """Return what the ledger's entries say."""
        found = [(_days(entry, now), entry.body["measures"]) for entry in entries if entry.kind == RECORD]
        return cls(sorted(found, key=lambda row: row[0]))

    def find(self, place: str, figure: str, least_days: float = 0) -> tuple[float, Any] | None:
        """Return (days ago, figure) of the newest inspection that has it and is at least so old."""
        for days, measures in self.rows:
            value = measures.get(place, {}).get(figure)
            if days >= least_days and value is not None:
                return days, value
        return None


def judge_jobs(system: str, job_days: Mapping[str, int], entries: Sequence[Entry], now: datetime) -> list[Check]:
    """Return a line for each job: how its last run for this system ended, and how long ago that is."""
    return [_job(system, job, days, entries, now) for job, days in job_days.items()]


def _job(system: str, job: str, days: int, entries: Sequence[Entry], now: datetime) -> Check:
    runs = [entry for entry in entries if entry.kind == "run-end" and _is_about(entry.body, job, system)]
    if not runs:
        return unknown(system, "job_never", job=job)
    last = max(runs, key=lambda entry: entry.time)
    age = max(0.0, _days(last, now) * DAY)
    values = {"job": job, "run": last.id, "age_seconds": age}
    reason = _fault(last.body, system)
    if reason:
        return finding(system, "job_failed", "high", **values, reason=reason)
    if age > days * DAY:
        return finding(system, "job_old", "medium", **values, limit_seconds=days * DAY)
    return good(system, "job", **values)


def judge_probe(place: str, system: str, days: int, entries: Sequence[Entry], now: datetime) -> Check:
    """Return whether the second site refused all that the appending key tried there, by the last sync's record."""
    told = [(entry, probe) for entry in entries if entry.kind == "run-end" for probe in _probes(entry.body, system)]
    if not told:
        return unknown(place, "probe_never")
    entry, probe = max(told, key=lambda one: one[0].time)
    age = (now - datetime.fromisoformat(str(probe["at"]))).total_seconds()
    values = {"run": entry.id, "age_seconds": max(0.0, age)}
    if not probe["refused"]:
        tries = [f"{one['what']}: {one['said']}" for one in probe["tries"] if not one["refused"]]
        return finding(place, "probe_passed", "high", **values, reason="; ".join(tries) or str(probe["fault"]))
    if age > days * DAY:
        return finding(place, "probe_old", "medium", **values, limit_seconds=days * DAY)
    return good(place, "probe", **values, found_count=len(probe["tries"]))


def _probes(body: Mapping[str, Any], system: str) -> list[Mapping[str, Any]]:
    if body.get("job") != "sync-to-miyun" or body.get("check"):
        return []
    own = [task.get("yunwei") or {} for task in body.get("tasks", [])]
    return [one["probe"] for one in own if one.get("system") == system and one.get("probe")]


def _is_about(body: Mapping[str, Any], job: str, system: str) -> bool:
    """Tell whether a run was of this job and system; one that ended before its gate was about every system."""
    permits = body.get("permits")
    named = not permits or any(system in permit["systems"] for permit in permits)
    return body.get("job") == job and not body.get("check") and named


def _fault(body: Mapping[str, Any], system: str) -> str | None:
    """Return why a run failed for this system; None where it did not, whatever became of others in that run."""
    if body.get("exit_code") == 0:
        return None
    own = [task for task in body.get("tasks", []) if (task.get("yunwei") or {}).get("system") == system]
    bad = [task for task in own if task["status"] in ("failed", "unreachable")]
    if own and not bad:
        return None
    reasons = [str(task["yunwei"].get("reason") or task["status"]) for task in bad]
    return "; ".join(reasons) or str(body.get("reason") or body.get("status"))


def _days(entry: Entry, now: datetime) -> float:
    return (now - datetime.fromisoformat(entry.time)).total_seconds() / DAY
