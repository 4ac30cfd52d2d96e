"""Builds the drill's document (`drill.json`) from the recorded summaries of its run: pure, nothing is looked up.

The verdict is never better than what was recorded: a step that left no summary was not done, and what was not done was
not proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, get_args

from yunwei.policy import System
from yunwei.report.schema import CHECKS, Phase

PASSED, FAILED, COULD_NOT_JUDGE = "passed", "failed", "could not judge"
EXIT_CODES = {PASSED: 0, FAILED: 1, COULD_NOT_JUDGE: 4}
_COMPARISON_KEYS = ("expected", "equal", "different", "differences", "rows", "bytes")

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Circumstances:
    """What the run's summaries do not say themselves.

    `started` and `finished` are aware times of the run; `zone` is the estate's, with its name in `timezone`.
    """

    system: System
    site: str
    host: str
    started: datetime
    finished: datetime
    zone: tzinfo
    timezone: str
    evidence_id: str
    evidence_digest: str | None = None
    ledger_head: Mapping[str, Any] | None = None
    participants: Sequence[Mapping[str, str]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def build(about: Circumstances, tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document of format 1 for the recorded `tasks` ({host, task, status, yunwei}) of one drill."""
    steps = _Steps(tasks)
    records = steps.value("records") or {}
    document: dict[str, Any] = {
        "format": 1,
        "system": about.system.id,
        "system_name": {"zh": about.system.name.zh, "en": about.system.name.en},
        "contract": about.system.contract,
        "site": about.site,
        "host": about.host,
        "snapshot": {item: str(record["record"]) for item, record in sorted(records.items())},
        "snapshot_at": _oldest(records, about.zone),
        "handed_over": _instant(steps.value("handed_over"), about.zone),
        "started": about.started.astimezone(about.zone).isoformat(timespec="seconds"),
        "finished": about.finished.astimezone(about.zone).isoformat(timespec="seconds"),
        "timezone": about.timezone,
        "target_seconds": about.system.targets.rto_seconds,
        "total_seconds": _recovery_seconds(steps),
        "phases": list(_phases(steps)),
        "rpo_seconds": _rpo_seconds(steps, records, about.started),
        "rpo_target_seconds": about.system.targets.rpo_seconds,
        "drilled_bytes": steps.value("restored_bytes"),
        "production_bytes": about.system.targets.production_bytes,
        **{kind: _comparison(steps.value(kind)) for kind in CHECKS},
        "probe": steps.value("probe"),
        "destroyed": _destroyed(steps),
        "participants": [dict(one) for one in about.participants],
        "evidence_id": about.evidence_id,
        "evidence_digest": about.evidence_digest,
        "ledger_head": dict(about.ledger_head) if about.ledger_head else None,
        "versions": {**about.versions, **steps.merged("versions")},
        "forecast": None,
    }
    reasons = [*steps.reasons(), *_missing(about, steps, document), *_late(document)]
    return {**document, "reasons": reasons, "verdict": _verdict(reasons)}


class _Steps:
    """The summaries of a run in their order."""

    def __init__(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        self._tasks = tasks
        told = [task["yunwei"] for task in tasks if isinstance(task.get("yunwei"), Mapping)]
        self.summaries: list[Summary] = [summary for summary in told if "restore_id" in summary]

    def value(self, key: str) -> Any:
        """Return the last value recorded under `key`, None without any."""
        found = [summary[key] for summary in self.summaries if key in summary]
        return found[-1] if found else None

    def merged(self, key: str) -> dict[str, Any]:
        """Return the dicts recorded under `key` as one."""
        return {name: value for summary in self.summaries for name, value in (summary.get(key) or {}).items()}

    def reasons(self) -> list[dict[str, Any]]:
        """Return every recorded reason, then the failures that left none."""
        found = [dict(reason) for summary in self.summaries for reason in summary.get("reasons") or []]
        return found + [_unexplained(task) for task in self._tasks if _is_unexplained(task)]


def _is_unexplained(task: Mapping[str, Any]) -> bool:
    summary = task.get("yunwei")
    explained = isinstance(summary, Mapping) and summary.get("reasons")
    return task["status"] in ("failed", "unreachable") and not explained


def _unexplained(task: Mapping[str, Any]) -> dict[str, Any]:
    if task["status"] == "unreachable":
        return _reason(str(task["host"]), "the host does not answer", "is it up, and its host key the pinned one?")
    summary = task.get("yunwei")
    told = summary.get("refused") if isinstance(summary, Mapping) else None
    return _reason(str(task["host"]), str(told or f"the step failed: {task['task']}"), "look at the run's output")


def _reason(thing: str, cause: str, next_step: str, verdict: str = COULD_NOT_JUDGE) -> dict[str, Any]:
    return {"object": thing, "cause": cause, "next": next_step, "verdict": verdict}


def _verdict(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Return the worst: a backup found bad stays bad; a refusal is a drill that did not take place."""
    found = {reason["verdict"] for reason in reasons}
    return FAILED if FAILED in found else COULD_NOT_JUDGE if found else PASSED


def _missing(about: Circumstances, steps: _Steps, document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a reason for everything that a whole drill has and this one lacks; silent when a reason says why."""
    if steps.reasons():
        return
    lacking = [item.id for item in about.system.items() if item.id not in (steps.value("compared") or [])]
    if lacking or any(document[kind] is None for kind in CHECKS):
        yield _reason(", ".join(lacking) or about.system.id, "it was not compared with its manifest", "drill again")
    if document["total_seconds"] is None:
        yield _reason("application", "nothing says that it was ever ready", "drill again")
    if about.system.application is not None and not (document["probe"] or {}).get("ok"):
        yield _reason("application", "its health probe was not asked", "drill again")
    if not (document["destroyed"] or {}).get("ok"):
        yield _reason(about.host, "nothing proves that the restored data is gone", "look at the host, remove it")


def _late(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a reason for each objective that was missed."""
    took, allowed = document["total_seconds"], document["target_seconds"]
    if took is not None and took > allowed:
        yield _reason("recovery time", f"{took:.0f} s; the target is {allowed} s", "see the phases", FAILED)
    age, oldest = document["rpo_seconds"], document["rpo_target_seconds"]
    if age is not None and age > oldest:
        cause = f"the newest verified copy is {age:.0f} s old; the target is {oldest} s"
        yield _reason("recovery point", cause, "why did backup or sync not come in time?", FAILED)


def _phases(steps: _Steps) -> Iterator[dict[str, Any]]:
    """Yield the phases in their order; what several modules spent on one phase is added up."""
    done = [phase for summary in steps.summaries for phase in summary.get("phases") or []]
    for name in get_args(Phase):
        same = [phase for phase in done if phase["name"] == name]
        sizes = [phase["bytes"] for phase in same if phase["bytes"] is not None]
        if same:
            seconds = round(sum(phase["seconds"] for phase in same), 3)
            yield {"name": name, "seconds": seconds, "bytes": sum(sizes) if sizes else None}


def _recovery_seconds(steps: _Steps) -> float | None:
    """Return the seconds from the recorded hand-over of the host to the answer, both by the host's clock."""
    handed_over, ready = steps.value("handed_over"), steps.value("ready_at")
    probe = steps.value("probe")
    if handed_over is None or ready is None or (probe is not None and not probe["ok"]):
        return None
    return round(max(float(ready) - float(handed_over), 0.0), 3)


def _rpo_seconds(steps: _Steps, records: Mapping[str, Any], started: datetime) -> float | None:
    """Return the age at the drill's start of the newest verified copy, of the item where it is oldest."""
    newest = steps.merged("newest") or {item: record["snapshot_at"] for item, record in records.items()}
    if not newest:
        return None
    oldest = min(datetime.fromisoformat(moment) for moment in newest.values())
    return round(max((started - oldest).total_seconds(), 0.0), 1)


def _oldest(records: Mapping[str, Any], zone: tzinfo) -> str | None:
    moments = [datetime.fromisoformat(record["snapshot_at"]) for record in records.values()]
    return min(moments).astimezone(zone).isoformat(timespec="seconds") if moments else None


def _instant(seconds: float | None, zone: tzinfo) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")


def _comparison(tally: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if tally is None else {key: tally[key] for key in _COMPARISON_KEYS if key in tally}


def _destroyed(steps: _Steps) -> dict[str, Any] | None:
    """Return what was removed with the proof of the fresh scan; None when there was nothing or it was kept."""
    if steps.value("proof") is None or steps.value("what") is None:
        return None
    return {
        "what": list(steps.value("what")),
        "proof": dict(steps.value("proof")),
        "ok": bool(steps.value("ok")),
        "seconds": steps.value("seconds"),
    }
