"""Workdays and rest days of China: public holidays, make-up workdays (调休), and what policy says instead.

The only user of chinese_calendar, which has data for the years whose arrangements the State Council has published.
"""

from __future__ import annotations

from datetime import date

from chinese_calendar.constants import Holiday, holidays
from chinese_calendar.utils import get_holiday_detail

from yunwei.policy.calendar import CalendarRules
from yunwei.policy.system import Names

_SATURDAY = 5
_NAMES = {holiday.value: Names(zh=holiday.chinese, en=holiday.value) for holiday in Holiday}
# National Day comes last in every year's arrangement: a year that has it has all of them.
_PUBLISHED = frozenset(day.year for day in holidays if (day.month, day.day) == (10, 1))


class Workdays:
    """Which days are worked; policy wins over the published arrangement, day by day."""

    def __init__(self, rules: CalendarRules) -> None:
        self._days = {day.date: day for day in rules.days}
        self._years = _PUBLISHED | rules.complete_years

    def known(self, year: int) -> bool:
        """Tell whether a year's holidays are known, from the library or from policy."""
        return year in self._years

    def rests(self, day: date) -> bool:
        """Tell whether a day of a known year is a rest day."""
        return self._look_up(day)[0]

    def name(self, day: date) -> Names | None:
        """Return the name of a holiday, or of the holiday that a workday makes up for; None for an ordinary day."""
        return self._look_up(day)[1]

    def _look_up(self, day: date) -> tuple[bool, Names | None]:
        if day in self._days:
            return self._days[day].kind == "rest", self._days[day].name
        if day.year not in _PUBLISHED:
            return day.weekday() >= _SATURDAY, None
        rests, name = get_holiday_detail(day)
        return rests, _NAMES[name] if name else None
