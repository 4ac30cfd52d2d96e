"""When hosts may be restarted: what the calendar says for each, and how long former restarts took."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from yunwei.calendar import Answer, Calendar, check
from yunwei.errors import RefusedError
from yunwei.ledger import Ledger
from yunwei.policy import Policy
from yunwei.work.restarts import HostRestartWork

_MEASURED_RUNS = 5


def measured_seconds(ledger: Ledger, hosts: Iterable[str]) -> dict[str, int]:
    """Return the longest of the last five proven restarts of each host that has any, in seconds."""
    wanted = set(hosts)
    found: dict[str, list[int]] = {}
    for entry in ledger.entries():
        if entry.kind == "run-end" and not entry.body.get("check"):
            for task in entry.body.get("tasks", []):
                for seconds in _proven(task.get("yunwei")) if task.get("host") in wanted else []:
                    found.setdefault(str(task["host"]), []).append(seconds)
    return {host: max(times[-_MEASURED_RUNS:]) for host, times in found.items()}


def _proven(summary: object) -> list[int]:
    items = summary.get("items", []) if isinstance(summary, dict) else []
    return [
        item["seconds"]
        for item in items
        if isinstance(item, dict)
        and item.get("item") == "restart"
        and item.get("status") == "passed"
        and isinstance(item.get("seconds"), int)
        and item["seconds"] >= 0
    ]


def expected_seconds(policy: Policy, hosts: Sequence[str], measured: dict[str, int]) -> int:
    """Return how long a batch takes: its slowest host, as measured, or as policy expects where nobody has."""
    unknown = policy.estate.restart.expected_minutes * 60
    return max(measured.get(host, unknown) for host in hosts)


def ask(policy: Policy, host: str, seconds: int, now: datetime) -> Answer:
    """Return whether the restart of a host may begin now, and else when it may."""
    calendar = Calendar(policy)
    return check(calendar, calendar.scope(None, host), now, timedelta(seconds=seconds))


def require_open(policy: Policy, hosts: Sequence[str], seconds: int) -> None:
    """Raise `RefusedError` with every rule in the way unless a batch that takes `seconds` may begin now."""
    now = datetime.now(UTC)
    calendar = Calendar(policy)
    lines = []
    for host in hosts:
        answer = ask(policy, host, seconds, now)
        if not answer.may_begin:
            reasons = "; ".join(reason.text for reason in answer.reasons)
            lines.append(f"{host}: {reasons}; next opening with room: {opening_words(calendar, answer)}")
    if lines:
        raise RefusedError(f"the calendar has no room for a restart ({answer.needs} needed): " + "\n".join(lines))


def opening_words(calendar: Calendar, answer: Answer) -> str:
    """Return when an answer's opening begins, in the estate's time."""
    return calendar.words(answer.opening.begin) if answer.opening else "none is known"


def overdue_before_opening(work: HostRestartWork, uptime_seconds: int, answer: Answer) -> datetime | None:
    """Return when the host breaks the restart policy, where that is before it may next be restarted; else None."""
    due = answer.at + timedelta(days=work["max_uptime_days"], seconds=-uptime_seconds)
    if answer.opening is not None and due >= answer.opening.begin:
        return None
    return due
