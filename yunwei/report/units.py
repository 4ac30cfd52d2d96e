"""Quantities in the words of a language: durations, sizes, counts and instants."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from yunwei.report.words import Words

_SIZES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


class Units:
    """Formats quantities for one language and time zone."""

    def __init__(self, words: Words, timezone: str | None = None) -> None:
        self.words = words
        self.zone = ZoneInfo(timezone) if timezone else None

    def duration(self, seconds: float) -> str:
        """Return seconds as `0.42 s`, `12.4 s`, `3 min 5 s`, `1 h 0 min 1 s` or `2 d 3 h`."""
        if round(seconds, 1) < 60:
            return self.words("units.s", n=f"{seconds:.2f}" if seconds < 1 else f"{seconds:.1f}".removesuffix(".0"))
        whole = round(seconds)
        parts = [("d", whole // 86400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60), ("s", whole % 60)]
        if whole >= 86400:
            parts = parts[:2]
        while parts[0][1] == 0:
            parts.pop(0)
        while parts[-1][1] == 0:
            parts.pop()
        return " ".join(self.words(f"units.{unit}", n=number) for unit, number in parts)

    def size(self, count: int) -> str:
        """Return bytes in decimal units: `0.31 GB`, `40 GB`, `512 B`."""
        for unit, worth in _SIZES:
            if count >= worth:
                return f"{_three_digits(count / worth)} {unit}"
        return f"{count} B"

    def count(self, number: int) -> str:
        """Return a whole number with its thousands apart."""
        return f"{number:,}"

    def share(self, part: int, whole: int) -> str:
        """Return a percentage that never rounds up to a whole it has not reached."""
        percent = 100 * part / whole
        if percent < 0.01:
            return "< 0.01 %"
        text = f"{percent:.2f}" if percent < 1 else f"{percent:.1f}"
        return "< 100 %" if part < whole and float(text) >= 100 else f"{text} %"

    def instant(self, value: str) -> str:
        """Return an ISO instant as `2026-03-31 09:00:00 UTC+08:00` in the report's zone."""
        moment = datetime.fromisoformat(value)
        if self.zone:
            moment = moment.astimezone(self.zone)
        offset = moment.strftime("%z")
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC{offset[:3]}:{offset[3:5]}"

    def day(self, value: str) -> str:
        """Return the date of an ISO instant in the language's own order."""
        moment = datetime.fromisoformat(value)
        if self.zone:
            moment = moment.astimezone(self.zone)
        return self.words("units.date", y=moment.year, m=moment.month, d=moment.day)


def _three_digits(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".") if value < 10 else f"{value:.1f}".removesuffix(".0")
