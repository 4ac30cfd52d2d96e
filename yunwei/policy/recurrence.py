"""What repeats: rules of RFC 5545, checked strictly and expanded between two moments. The only user of dateutil.

https://www.rfc-editor.org/rfc/rfc5545#section-3.3.10
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from itertools import dropwhile, takewhile
from typing import cast

from dateutil.rrule import rrule, rrulestr

from yunwei.policy.base import refuse
from yunwei.policy.suggest import did_you_mean

EXAMPLE = "a rule of RFC 5545 such as FREQ=WEEKLY;BYDAY=SA,SU"
_WEEKDAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
_NUMBER = "[1-9][0-9]{0,2}"
_PARTS: dict[str, tuple[str, str]] = {
    "FREQ": ("DAILY|WEEKLY|MONTHLY|YEARLY", "FREQ=DAILY, WEEKLY, MONTHLY or YEARLY"),
    "INTERVAL": (_NUMBER, "INTERVAL from 1 to 999"),
    "COUNT": (_NUMBER, "COUNT from 1 to 999; UNTIL for more"),
    "UNTIL": ("[0-9]{8}", "UNTIL as a day, such as UNTIL=20271231"),
    "BYDAY": (f"(?:[+-]?[1-9][0-9]?)?{_WEEKDAY}", "BYDAY as weekdays, such as BYDAY=SA,SU or BYDAY=2SA or BYDAY=-1FR"),
    "BYMONTH": ("[1-9]|1[0-2]", "BYMONTH from 1 to 12"),
    "BYMONTHDAY": ("-?(?:[1-9]|[12][0-9]|3[01])", "BYMONTHDAY from 1 to 31, or from -1 for the last day to -31"),
    "BYSETPOS": (f"-?{_NUMBER}", "BYSETPOS as places in the set, such as 1 or -1"),
    "WKST": (_WEEKDAY, "WKST as a weekday, such as WKST=MO"),
}
_LISTS = {"BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"}
_ERA = 400  # years after which dates fall on the same weekdays again


def check_rule(text: str) -> str:
    """Return a rule that can be read.

    Raises an error of `refuse` naming the part that is wrong.
    """
    parts = _split(text)
    if "UNTIL" in parts:
        _day(text, parts["UNTIL"])
    if "UNTIL" in parts and "COUNT" in parts:
        raise refuse(repr(text), "UNTIL or COUNT, not both")
    if parts["FREQ"] in ("DAILY", "WEEKLY") and re.search(r"\d", parts.get("BYDAY", "")):
        raise refuse(repr(text), "numbered weekdays such as 2SA with FREQ=MONTHLY or YEARLY only")
    return text


def check_start(text: str, starts: datetime) -> None:
    """Check that the first occurrence of a checked rule begins at `starts`, a local time.

    Raises an error of `refuse` where it does not.
    """
    parts, until = _split(text), last_day(text)
    if until is not None and until < starts.date():
        raise refuse(f"{text!r}, which ends before it starts on {starts.date()}", "UNTIL not before `starts`")
    if not _comes_at_its_start(parts, starts):
        found = f"{text!r}, which leaves out its own first day {starts.date()} ({starts:%A})"
        raise refuse(found, "a rule that `starts` obeys", "Move `starts` to the first day that the rule means.")


def occurrences(text: str, starts: datetime, begin: datetime, end: datetime) -> list[datetime]:
    """Return the occurrences of a checked rule from `begin` on and before `end`; all are local times without zone.

    What lies long before `begin` is skipped, not walked through, so that old rules cost no more than new ones.
    """
    parts = _split(text)
    if "COUNT" not in parts:
        starts = _one_period_before(starts, parts["FREQ"], int(parts.get("INTERVAL", "1")), begin)
    near = dropwhile(lambda moment: moment < begin, _expand(parts, starts))
    return list(takewhile(lambda moment: moment < end, near))


def last_day(text: str) -> date | None:
    """Return the day that UNTIL names in a checked rule, None where there is none."""
    until = _split(text).get("UNTIL")
    return _day(text, until) if until else None


def _split(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if name not in _PARTS:
            raise refuse(f"{part!r} in {text!r}", EXAMPLE, did_you_mean(name, _PARTS))
        pattern, allowed = _PARTS[name]
        values = value.split(",") if name in _LISTS else [value]
        if not equals or not all(re.fullmatch(pattern, one, re.ASCII) for one in values):
            raise refuse(f"{part!r} in {text!r}", allowed, _near_value(name, value))
        if name in parts:
            raise refuse(f"{name} twice in {text!r}", "each part once")
        parts[name] = value
    if "FREQ" not in parts:
        raise refuse(f"{text!r} without FREQ", EXAMPLE)
    return parts


def _near_value(name: str, value: str) -> str | None:
    return did_you_mean(value, _PARTS[name][0].split("|")) if name == "FREQ" else None


def _day(text: str, until: str) -> date:
    try:
        return datetime.strptime(until, "%Y%m%d").date()
    except ValueError:
        raise refuse(f"UNTIL={until} in {text!r}", "a day that exists") from None


def _expand(parts: dict[str, str], starts: datetime) -> rrule:
    """Return dateutil's rule; the day of UNTIL still counts, whatever the time of day."""
    words = [f"{name}={value}T235959" if name == "UNTIL" else f"{name}={value}" for name, value in parts.items()]
    return cast(rrule, rrulestr(";".join(words), dtstart=starts))


def _comes_at_its_start(parts: dict[str, str], starts: datetime) -> bool:
    """Tell whether the first occurrence is `starts` itself.

    dateutil looks for a rule that never comes until the year 9999; asked in the last era it gives up soon.
    """
    late = starts.replace(year=9999 - (9999 - starts.year) % _ERA)
    endless = {name: value for name, value in parts.items() if name not in ("UNTIL", "COUNT")}
    return next(iter(_expand(endless, late)), None) == late


def _one_period_before(starts: datetime, frequency: str, interval: int, begin: datetime) -> datetime:
    """Return a start with the same rhythm that lies at least one period before `begin`, or `starts` itself."""
    if frequency in ("DAILY", "WEEKLY"):
        period = timedelta(days=interval * (7 if frequency == "WEEKLY" else 1))
        return starts + max(0, (begin - starts) // period - 1) * period
    years = max(0, (begin.year - starts.year) // interval - 1) * interval
    if years == 0 or (starts.month, starts.day) == (2, 29):
        return starts
    return starts.replace(year=starts.year + years)
