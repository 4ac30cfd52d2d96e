"""The calendar as iCalendar (RFC 5545), out and in. The only user of icalendar.

What iCalendar has no word for travels in properties whose names begin with X-YUNWEI.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import icalendar

from yunwei.calendar.events import EventError, entry_of, moments, printable
from yunwei.errors import UsageError
from yunwei.policy.calendar import CalendarRules, Rule, RuleKind
from yunwei.policy.recurrence import last_day

_DAYS_WORDS = {
    "all": "",
    "workdays": "只在工作日开放 (workdays only, make-up workdays included). ",
    "rest_days": "只在休息日开放，调休上班日除外 (rest days only, no make-up workdays). ",
}
_PRODUCT = "-//yunwei//change calendar//ZH"
_LARGEST = 64 * 1024 * 1024


def export_calendar(rules: CalendarRules, zone: ZoneInfo, now: datetime) -> bytes:
    """Return all windows and freezes as an iCalendar file, repetitions as rules."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("x-wr-timezone", zone.key)
    for rule in (*rules.windows, *rules.freezes):
        calendar.add_component(_event(rule, zone, now))
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _event(rule: Rule, zone: ZoneInfo, now: datetime) -> icalendar.Event:
    entry, event = rule.entry, icalendar.Event()
    digest = hashlib.sha256(f"{rule.place} {entry.model_dump_json()}".encode()).hexdigest()
    event.add("uid", f"{digest[:32]}@yunwei")
    event.add("dtstamp", now.astimezone(UTC))
    event.add("summary", entry.name.zh)
    event.add("dtstart", entry.starts if entry.whole_days else entry.starts.replace(tzinfo=zone))
    end = entry.first + entry.length
    event.add("dtend", end.date() if entry.whole_days else end.replace(tzinfo=zone))
    if entry.repeats is not None:
        event.add("rrule", icalendar.vRecur.from_ical(_until_for_icalendar(rule, zone)))
    for day in entry.without:
        event.add("exdate", day if entry.whole_days else datetime.combine(day, entry.first.time(), zone))
    words = "维护窗口 (maintenance window). " if rule.kind == "window" else "变更冻结 (change freeze). "
    whom = ", ".join([*entry.systems, *entry.hosts]) or "全部 (all)"
    event.add("description", f"{words}{_DAYS_WORDS[rule.days]}{whom}")
    event.add("transp", "TRANSPARENT" if rule.kind == "window" else "OPAQUE")
    own = {"kind": rule.kind, "name-en": entry.name.en, "days": rule.days if rule.kind == "window" else ""}
    own |= {"systems": " ".join(entry.systems), "hosts": " ".join(entry.hosts)}
    for name, value in own.items():
        if value:
            event.add(f"x-yunwei-{name}", value)
    return event


def _until_for_icalendar(rule: Rule, zone: ZoneInfo) -> str:
    """Return the rule with UNTIL as RFC 5545 wants it: a day for days, a moment in UTC for times."""
    text = str(rule.entry.repeats)
    day = last_day(text)
    if day is None or rule.entry.whole_days:
        return text
    moment = datetime.combine(day, time(23, 59, 59), zone).astimezone(UTC)
    return text.replace(f"UNTIL={day:%Y%m%d}", f"UNTIL={moment:%Y%m%dT%H%M%SZ}")


def import_events(
    content: bytes, zone: ZoneInfo, unmarked: RuleKind, systems: Iterable[str] = (), hosts: Iterable[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Return the policy entries, `windows` and `freezes`, that stand for the events of an iCalendar file.

    Events that no export of yunwei marked become what `unmarked` says, for the given systems and hosts. Cancelled
    events and those of other kinds (tasks, alarms) are left out.

    Raises `UsageError` for a file that is no calendar, and naming every event that policy cannot express: a calendar
    of which half was taken would be open where somebody meant it to be closed.
    """
    if len(content) > _LARGEST:
        raise UsageError(f"the file has {len(content)} bytes; allowed are {_LARGEST}")
    found: dict[str, list[dict[str, Any]]] = {"windows": [], "freezes": []}
    faults = []
    events = _read(content)
    moved = _moved(events)
    for number, event in enumerate(events, 1):
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        try:
            kind, entry = entry_of(event, zone, unmarked, moved.get(str(event.get("UID")), ()))
        except (EventError, OverflowError) as error:  # the latter from dates at the ends of time
            faults.append(f"event {number} ({printable(str(event.get('SUMMARY', ''))) or 'without a name'}): {error}")
            continue
        if "X-YUNWEI-KIND" not in event:
            entry |= {key: names for key, names in (("systems", [*systems]), ("hosts", [*hosts])) if names}
        found[f"{kind}s"].append(entry)
    if faults:
        raise UsageError("nothing was taken, because policy cannot express all of it:\n" + "\n".join(faults))
    return found


def _read(content: bytes) -> list[Any]:
    try:
        calendars = icalendar.Calendar.from_ical(content, multiple=True)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"this is no iCalendar file: {printable(str(error))}") from error
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    begun = {name: len(re.findall(rb"(?im)^BEGIN:%s\s*$" % name, content)) for name in (b"VCALENDAR", b"VEVENT")}
    if not calendars or begun != {b"VCALENDAR": len(calendars), b"VEVENT": len(events)}:
        raise UsageError("this is no whole iCalendar file: a calendar or an event begins in it and does not end")
    return events


def _moved(events: list[Any]) -> dict[str, list[date]]:
    """Return the repetitions, by UID, that have an event of their own; events with errors are refused later."""
    found: dict[str, list[date]] = {}
    for event in events:
        if "UID" in event and not event.errors:
            found.setdefault(str(event["UID"]), []).extend(moments(event, "RECURRENCE-ID"))
    return found
