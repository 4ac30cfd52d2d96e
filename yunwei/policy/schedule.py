"""When a backup is due: `every` day, week, month or quarter, on which `day`, `at` which local time."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from yunwei.policy.base import Model, refuse
from yunwei.policy.suggest import did_you_mean

Every = Literal["day", "week", "month", "quarter"]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PERIOD_SECONDS: dict[str, int] = {"day": 86400, "week": 7 * 86400, "month": 31 * 86400, "quarter": 92 * 86400}
_DAYS = {
    "day": "no `day` with `every: day`",
    "week": "`day` one of " + ", ".join(WEEKDAYS),
    "month": "`day` from 1 to 31 (the last where the month is shorter) or `last`",
    "quarter": "`day` from 1 to 31 of the quarter's first month, or `last` for the quarter's last day",
}


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise refuse(repr(value), "the number of a day, a weekday, or `last`")
    return value


class Schedule(Model):
    """A recurring moment in the estate's time zone.

    A local time that is skipped when clocks go forward counts as the same time on the clock not yet put forward; one
    that comes twice counts once, the first time. Day 31 of a shorter month is its last day.
    """

    every: Every = Field(description="day, week, month or quarter")
    # Not `on`: YAML 1.1 reads that key as true.
    day: Annotated[Any, BeforeValidator(_plain)] = Field(default=None, description="the day of the period")
    at: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='a time of day in quotes, such as "01:30"')

    @model_validator(mode="after")
    def _day_fits_every(self) -> Schedule:
        if not _fits(self.every, self.day):
            found = (
                f"every {self.every}, day {self.day}" if self.day is not None else f"every {self.every} without `day`"
            )
            raise refuse(found, _DAYS[self.every], did_you_mean(self.day, WEEKDAYS) if self.every == "week" else None)
        return self

    def last_scheduled(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return the latest scheduled moment that is not later than `now`, in UTC."""
        return max(moment for moment in self._moments(now, zone) if moment <= now)

    def next_due(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return the first scheduled moment after `now`, in UTC."""
        return min(moment for moment in self._moments(now, zone) if moment > now)

    def due(self, last: datetime | None, now: datetime, zone: ZoneInfo) -> bool:
        """Tell whether a backup is due.

        `last` is when the newest accepted backup was started; one that claims a start in the future is not believed.
        """
        return last is None or last > now or last < self.last_scheduled(now, zone)

    def _moments(self, now: datetime, zone: ZoneInfo) -> list[datetime]:
        """Return the scheduled moments of the two periods before `now`, its own and the two after."""
        if now.tzinfo is None:
            raise ValueError("a schedule needs a time with its zone")
        today = now.astimezone(zone).date()
        at = time.fromisoformat(self.at)
        days = [self._day(today, offset) for offset in range(-2, 3)]
        return [datetime.combine(day, at, zone).astimezone(UTC) for day in days]

    def _day(self, today: date, offset: int) -> date:
        """Return the scheduled day of the period that lies `offset` periods from today's."""
        if self.every == "day":
            return today + timedelta(days=offset)
        if self.every == "week":
            return today + timedelta(days=7 * offset + WEEKDAYS.index(self.day) - today.weekday())
        if self.every == "month":
            return _day_of_month(today.year, today.month + offset, self.day)
        first = 3 * ((today.month - 1) // 3 + offset) + 1
        return _day_of_month(today.year, first + 2 if self.day == "last" else first, self.day)


def _fits(every: Every, day: object) -> bool:
    if every == "day":
        return day is None
    if every == "week":
        return day in WEEKDAYS
    return day == "last" or (isinstance(day, int) and 1 <= day <= 31)


def _day_of_month(year: int, month: int, day: int | str) -> date:
    """Return a day of a month; `month` may lie outside 1 to 12 and then belongs to another year."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    length = calendar.monthrange(year, month)[1]
    return date(year, month, length if day == "last" else min(int(day), length))
