"""One event of an iCalendar file as an entry of the policy, or why it cannot be one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from yunwei.errors import UsageError
from yunwei.policy.calendar import CalendarFile, RuleKind
from yunwei.policy.recurrence import occurrences
from yunwei.policy.structure import read_model

_HALF_YEAR = timedelta(days=182)


class EventError(UsageError):
    """An event that policy cannot express."""


def entry_of(event: Any, zone: ZoneInfo, unmarked: RuleKind, moved: Sequence[date]) -> tuple[RuleKind, dict[str, Any]]:
    """Return whether an event of icalendar is a window or a freeze, and the policy entry for it, in local time.

    `moved` holds the repetitions that have an event of their own. Raises `EventError`.
    """
    _refuse_unknown(event)
    kind = _kind(event, unmarked)
    begin, end = _bounds(event)
    starts = _local(begin, zone)
    entry: dict[str, Any] = {
        "name": _name(event),
        "starts": _written(starts),
        "ends": _written(_last(_local(end, zone))),
        **{key: str(event.get(f"X-YUNWEI-{key.upper()}", "")).split() for key in ("systems", "hosts")},
    }
    if kind == "window":
        entry["days"] = str(event.get("X-YUNWEI-DAYS", "all"))
    if "RRULE" in event and "RECURRENCE-ID" not in event:
        entry["repeats"] = _repeats(event, begin, zone)
        _check(kind, entry)
        gone = [_local(moment, zone) for moment in (*moments(event, "EXDATE"), *moved)]
        entry["without"] = _left_out(gone, starts, entry["repeats"])
    _check(kind, entry)
    return kind, {key: value for key, value in entry.items() if value != []}


def _refuse_unknown(event: Any) -> None:
    """Refuse what would silently be read as something else, or not at all."""
    if event.errors:
        name, text = event.errors[0]
        raise EventError(f"{name} cannot be read: {printable(str(text))}")
    for name in ("RDATE", "EXRULE"):
        if name in event:
            raise EventError(f"it has {name}; allowed are RRULE and EXDATE")
    for name in ("DTSTART", "DTEND", "EXDATE", "RECURRENCE-ID"):
        for one in _values(event, name):
            if "TZID" in one.params and any(_is_floating(moment) for moment in _moments_of(one)):
                raise EventError(f"{name} names the time zone {one.params['TZID']!r}, which is not known")
            if "RANGE" in one.params:
                raise EventError(f"{name} has RANGE; allowed is one event for each moved repetition")


def _is_floating(moment: date) -> bool:
    return isinstance(moment, datetime) and moment.tzinfo is None


def _values(event: Any, name: str) -> list[Any]:
    found = event.get(name, [])
    return found if isinstance(found, list) else [found]


def _moments_of(value: Any) -> list[date]:
    return [one.dt for one in value.dts] if hasattr(value, "dts") else [value.dt]


def moments(event: Any, name: str) -> list[date]:
    """Return the moments of a property that may be there several times, or not at all."""
    return [moment for value in _values(event, name) for moment in _moments_of(value)]


def _left_out(gone: Sequence[date], starts: date, repeats: str) -> list[str]:
    """Return the first days of those repetitions that are among `gone`."""
    if any(isinstance(moment, datetime) != isinstance(starts, datetime) for moment in gone):
        raise EventError("EXDATE or RECURRENCE-ID is a day where the event begins at a time, or the other way round")
    first, *others = (one if isinstance(one, datetime) else datetime.combine(one, time()) for one in (starts, *gone))
    found = {one.date() for one in others if occurrences(repeats, first, one, one + timedelta(seconds=1))}
    return [day.isoformat() for day in sorted(found)]


def _check(kind: RuleKind, entry: dict[str, Any]) -> None:
    problems = read_model(CalendarFile, {f"{kind}s": [entry]}, "")[1]
    if problems:
        raise EventError("; ".join(f"found {one.found}; allowed: {one.allowed}" for one in problems))


def printable(text: str) -> str:
    """Return text of a foreign file without what could steer a terminal or fill it."""
    return "".join(char if char.isprintable() else " " for char in text).strip()[:120]


def _kind(event: Any, unmarked: RuleKind) -> RuleKind:
    marked = str(event.get("X-YUNWEI-KIND", unmarked))
    if marked not in ("window", "freeze"):
        raise EventError(f"X-YUNWEI-KIND is {marked!r}; allowed are window and freeze")
    return "window" if marked == "window" else "freeze"


def _bounds(event: Any) -> tuple[date, date]:
    """Return begin and end as the file has them: days (the end not counting) or moments."""
    try:
        begin, end = event.start, event.end
    except (ValueError, KeyError, TypeError) as error:  # icalendar's InvalidCalendar is a ValueError
        raise EventError(f"its begin and end cannot be read: {error}") from error
    return begin, end


def _name(event: Any) -> dict[str, str]:
    summary = printable(str(event.get("SUMMARY", "")))
    if not summary:
        raise EventError("it has no SUMMARY; a rule needs a name, which refusals show")
    return {"zh": summary, "en": printable(str(event.get("X-YUNWEI-NAME-EN", ""))) or summary}


def _local(moment: date, zone: ZoneInfo) -> date:
    """Return a day as it is, a moment as local time of the estate without zone."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return moment
    return moment.astimezone(zone).replace(tzinfo=None)


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def _last(end: date) -> date:
    """Return the end as policy has it: a moment, or the last day that counts."""
    return end if isinstance(end, datetime) else end - timedelta(days=1)


def _written(moment: date) -> str:
    if isinstance(moment, datetime):
        return moment.isoformat(timespec="seconds" if moment.second else "minutes")
    return moment.isoformat()


def _repeats(event: Any, begin: date, zone: ZoneInfo) -> str:
    rule = event["RRULE"]
    if isinstance(rule, list):
        raise EventError("it has several RRULEs; allowed is one")
    if isinstance(begin, datetime) and begin.tzinfo is not None and not _same_clock(begin, zone):
        raise EventError(f"it repeats by the clock of {begin.tzinfo}; allowed is {zone}, or events that do not repeat")
    return ";".join(f"{name}={_part(name, values, begin, zone)}" for name, values in rule.items())


def _part(name: str, values: list[Any], begin: date, zone: ZoneInfo) -> str:
    """Return one part of a rule as text; UNTIL as the last day on which an occurrence may begin."""
    if name == "UNTIL":
        until = _local(values[0], zone)
        early = isinstance(until, datetime) and isinstance(begin, datetime) and until.time() < begin.time()
        return f"{_day(until) - timedelta(days=1 if early else 0):%Y%m%d}"
    return ",".join(value.to_ical().decode() if hasattr(value, "to_ical") else str(value) for value in values)


def _same_clock(begin: datetime, zone: ZoneInfo) -> bool:
    """Tell whether a time zone keeps the same time as the estate's, in summer and in winter."""
    return all(moment.utcoffset() == moment.astimezone(zone).utcoffset() for moment in (begin, begin + _HALF_YEAR))
