"""Durations and moments as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from yunwei.errors import UsageError
from yunwei.policy.calendar import YEARS

_DURATION = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Return `45m`, `2h`, `1h30m` or `1d12h` as a duration.

    Raises `UsageError` for anything else, also for nothing and for zero.
    """
    found = _DURATION.fullmatch(text)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    duration = timedelta(days=days, hours=hours, minutes=minutes)
    if not duration:
        raise UsageError(f"{text!r} is no duration; allowed are days, hours and minutes such as 45m, 1h30m or 1d")
    return duration


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return a moment in UTC; a time without zone is meant in `zone`, the first time where the clock shows it twice.

    Raises `UsageError` for anything else, also for a local time that the clock skips.
    """
    try:
        moment = datetime.fromisoformat(text)
        found = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time; allowed are 2027-02-05T18:00 (in {zone}) and 2027-02-05T18:00+08:00"
        ) from None
    if found.year not in YEARS:
        raise UsageError(f"{text}: allowed are years from {YEARS[0]} to {YEARS[-1]}")
    if moment.tzinfo is None and found.astimezone(zone).replace(tzinfo=None) != moment:
        raise UsageError(f"there is no {text} in {zone}: the clock was put forward over it")
    return found


def duration_words(duration: timedelta) -> str:
    """Return a duration as `parse_duration` reads it; seconds are cut off."""
    minutes = int(duration.total_seconds()) // 60
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "m"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0m"
