"""What a run leaves in its record: host, task, status and the result's `yunwei` part, never arguments or all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from yunwei.ledger.chain import canonical

# A module's summary is small; what a broken or hostile host sends may not be.
LARGEST_SUMMARY = 1024 * 1024
_NO_PERMIT = (
    "no permit was issued, so no job acted on any host: the playbook's hosts and --limit have none in common, or its "
    "gate was left out (--tags, --skip-tags, --start-at-task). Name hosts that the job is for and start it anew"
)


@dataclass(frozen=True)
class Verdict:
    """How a run ended: `done`, `failed`, `refused` or `could not judge`, with the exit code that goes with it."""

    status: str
    exit_code: int
    reason: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the module or action plugin `action` said on one host."""

    action: str
    host: str
    status: str
    summary: Mapping[str, Any]


@dataclass
class Recorder:
    """Collects results as they come; `body` is what goes into the ledger.

    `answers` are what was said, in order: later steps of a run believe these, not the play's variables.
    `forged` names the results of modules that acted with a lock number which the gate did not give.
    """

    tasks: list[dict[str, Any]] = field(default_factory=list)
    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    forged: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def add(self, host: str, task: str, status: str, summary: Any = None, *, loop: bool = False) -> None:
        """Keep one result.

        Args:
            host: the inventory's name of it.
            task: the task's name.
            status: `ok`, `changed`, `failed`, `ignored`, `unreachable` or `skipped`.
            summary: the result's `yunwei` part, or None.
            loop: whether it stands for a whole loop, whose turns are kept each.
        """
        entry: dict[str, Any] = {"host": host, "task": task, "status": status}
        if loop:
            entry["loop"] = True
        if summary is not None:
            entry["yunwei"] = _limited(summary)
        self.tasks.append(entry)

    def compare_lock(self, host: str, task: str, summary: Any, permits: Sequence[Mapping[str, Any]]) -> str | None:
        """Return, and keep against the run, that a module acted with another lock number than the gate issued."""
        lock = summary.get("lock") if isinstance(summary, Mapping) else None
        if lock is None:
            return None
        system = summary.get("system")
        issued = [
            {"number": permit["locks"][system], "series": permit["lock_series"][system]}
            for permit in permits
            if system in permit["locks"]
        ]
        if lock in issued:
            return None
        fault = f"{host}: {task}: acted with lock {lock!r} of {system}; the gate issued {issued or 'none'}"
        self.forged.append(fault)
        return fault

    def verdict(self, *, permitted: bool) -> Verdict:
        """Return how the run ended, judged by what was kept; without a permit it did nothing, so it is not `done`."""
        if self.forged:
            return Verdict("failed", 1, "\n".join(self.forged))
        bad = _without_whole_loops([task for task in self.tasks if task["status"] in ("failed", "unreachable")])
        summaries = [_summary(task) for task in bad]
        refusals = [summary for summary in summaries if summary.get("refused")]
        # Hosts that fell out before anything of a stored plan was done are why that was refused.
        fallen = {host for summary in refusals for host in summary.get("fallen_out", [])}
        if refusals and all(_summary(task).get("refused") or task["host"] in fallen for task in bad):
            first = refusals[0]
            return Verdict("refused", int(first.get("exit_code", 3)), str(first.get("reason") or first["refused"]))
        if bad and all(summary.get("exit_code") == 4 for summary in summaries):
            return Verdict("could not judge", 4, _reason(bad))
        if bad or any(counts.get("failures") or counts.get("unreachable") for counts in self.hosts.values()):
            return Verdict("failed", 1, _reason(bad))
        return Verdict("done", 0) if permitted else Verdict("refused", 2, _NO_PERMIT)

    def body(self) -> dict[str, Any]:
        """Return hosts, tasks and the artifacts that results named, for the run's end."""
        return {"hosts": self.hosts, "tasks": self.tasks, "artifacts": self._artifacts()}

    def _artifacts(self) -> list[dict[str, Any]]:
        found = []
        for task in self.tasks:
            listed = _summary(task).get("artifacts")
            for artifact in listed if isinstance(listed, list) else []:
                if isinstance(artifact, Mapping):
                    found.append({name: artifact.get(name) for name in ("path", "sha256")})
        return found


def _without_whole_loops(bad: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the failures less those of whole loops of which a failed turn is kept: it says why."""
    turns = {(task["host"], task["task"]) for task in bad if "loop" not in task}
    return [task for task in bad if "loop" not in task or (task["host"], task["task"]) not in turns]


def _summary(task: Mapping[str, Any]) -> Mapping[str, Any]:
    found = task.get("yunwei")
    return found if isinstance(found, Mapping) else {}


def _reason(bad: list[dict[str, Any]]) -> str | None:
    """Return the failed tasks in a line each: their own words are in their summaries."""
    lines = []
    for task in bad:
        reason = _summary(task).get("reason") or _summary(task).get("refused")
        lines.append(f"{task['host']}: {task['task']}: {task['status']}" + (f": {reason}" if reason else ""))
    return "\n".join(lines) or None


def _limited(summary: Any) -> Any:
    """Return the summary, or its size and digest where it is too large or not JSON."""
    try:
        text = canonical(summary)
    except (TypeError, ValueError) as error:
        return {"not_recorded": f"the summary is not JSON: {error}"}
    if len(text) <= LARGEST_SUMMARY:
        return summary
    return {
        "not_recorded": f"the summary has {len(text)} bytes; {LARGEST_SUMMARY} are allowed",
        "sha256": hashlib.sha256(text.encode("ascii")).hexdigest(),
    }
