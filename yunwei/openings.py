"""Whether the calendar has room for a disruptive job, as long as it took before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from yunwei import calendar
from yunwei.calendar import Calendar, Scope
from yunwei.errors import RefusedError
from yunwei.ledger import Ledger

FORMER_RUNS = 5
# Where nothing was measured yet: longer than a restart of one host with its proof.
UNMEASURED = timedelta(hours=1)


def demand_opening(plan: Calendar, scopes: Sequence[Scope], at: datetime, duration: timedelta) -> None:
    """Raise `RefusedError` naming every rule that closes the calendar for one of the scopes.

    Args:
        plan: the calendar.
        scopes: the systems or hosts that the work touches.
        at: when it begins.
        duration: how long it takes: all of it must fit.
    """
    closed = []
    for scope in scopes:
        answer = calendar.check(plan, scope, at, duration)
        if not answer.may_begin:
            closed += [f"{scope.label}: {reason.text}" for reason in answer.reasons]
            opening = answer.opening and plan.words(answer.opening.begin)
            closed.append(f"{scope.label}: next opening of {answer.needs}: {opening or 'none'}")
    if closed:
        raise RefusedError(
            "the calendar is closed:\n" + "\n".join(closed) + "\nWait for the opening; in an emergency have the plan "
            "approved with a reason: yunwei approve FILE --as NAME --key KEY --emergency REASON"
        )


def expected_duration(ledger: Ledger, job: str, systems: Sequence[str]) -> timedelta:
    """Return the longest of the job's last runs for any of these systems, an hour where there was none."""
    seconds = [
        float(entry.body["seconds"])
        for entry in ledger.entries()
        if entry.kind == "run-end" and entry.body.get("seconds") and _is_such(entry.body, job, systems)
    ]
    return timedelta(seconds=max(seconds[-FORMER_RUNS:])) if seconds else UNMEASURED


def _is_such(body: dict[str, object], job: str, systems: Sequence[str]) -> bool:
    if body.get("job") != job or body.get("status") != "done" or body.get("check"):
        return False
    permits = body.get("permits")
    touched = {name for permit in permits for name in permit["systems"]} if isinstance(permits, list) else set()
    return bool(touched & set(systems))
