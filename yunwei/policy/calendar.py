"""Windows, freezes, and the days that are no ordinary workday or weekend: the files below `policy/calendar/`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from yunwei.policy import recurrence
from yunwei.policy.base import IsoDate, Model, refuse
from yunwei.policy.system import Names

Days = Literal["all", "workdays", "rest_days"]
RuleKind = Literal["window", "freeze"]
LONGEST = timedelta(days=366)
YEARS = range(2000, 2200)
_MOMENT = "a local date, 2027-02-05, or a local date and time without zone, 2027-02-05T18:00"


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            raise refuse(repr(value), _MOMENT) from None
    if not isinstance(value, date):
        raise refuse(repr(value), _MOMENT)
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise refuse(f"{value.isoformat()}, which names a zone", _MOMENT, "The zone is the estate's `timezone`.")
    if value.year not in YEARS:
        raise refuse(str(value), f"years from {YEARS[0]} to {YEARS[-1]}")
    return value


Moment = Annotated[Any, BeforeValidator(_moment)]


class Entry(Model):
    """A stretch of local time, once or repeated, as an event of iCalendar is."""

    name: Names = Field(description="zh and en")
    starts: Moment = Field(description=_MOMENT)
    ends: Moment = Field(description="the moment at which it ends; the last day, which counts, where `starts` is a day")
    repeats: Annotated[str, AfterValidator(recurrence.check_rule)] | None = Field(
        default=None, description=recurrence.EXAMPLE
    )
    without: list[IsoDate] = Field(default=[], description="first days of repetitions that are left out")
    systems: list[str] = Field(default=[], description="systems that it is for; all where neither these nor hosts")
    hosts: list[str] = Field(default=[], description="hosts that it is for; all where neither these nor systems")

    @model_validator(mode="after")
    def _lasts_a_while(self) -> Entry:
        if isinstance(self.starts, datetime) != isinstance(self.ends, datetime):
            raise refuse(f"{self.starts} to {self.ends}", "two days, or two moments with their times")
        if self.length <= timedelta():
            raise refuse(f"{self.starts} to {self.ends}, which is no time at all", "an `ends` that is after `starts`")
        if self.length > LONGEST:
            raise refuse(f"{self.starts} to {self.ends}", f"at most {LONGEST.days} days")
        return self

    @model_validator(mode="after")
    def _repeats_well(self) -> Entry:
        if self.repeats is not None:
            recurrence.check_start(self.repeats, self.first)
        for day in self.without:
            midnight = datetime.combine(day, time())
            if self.repeats is None or not self.beginnings(midnight, midnight + timedelta(days=1)):
                raise refuse(f"without {day}, on which nothing begins", "days on which a repetition begins")
        return self

    @property
    def whole_days(self) -> bool:
        """Tell whether it is meant in days."""
        return not isinstance(self.starts, datetime)

    @property
    def first(self) -> datetime:
        """Return the local time at which the first occurrence begins."""
        return datetime.combine(self.starts, time()) if self.whole_days else self.starts

    @property
    def length(self) -> timedelta:
        """Return how long each occurrence lasts on the clock."""
        length: timedelta = self.ends - self.starts
        return length + timedelta(days=1) if self.whole_days else length

    def beginnings(self, begin: datetime, end: datetime) -> list[datetime]:
        """Return the local times at which occurrences begin, those left out too, from `begin` on and before `end`."""
        if self.repeats is None:
            return [self.first] if begin <= self.first < end else []
        return recurrence.occurrences(self.repeats, self.first, begin, end)


class Window(Entry):
    """A time in which disruptive work may begin, when all of it fits."""

    days: Days = Field(description="all, workdays or rest_days: the kind of day on which it may begin")


class Freeze(Entry):
    """A time in which no disruptive work may be going on."""


class Day(Model):
    """One day that differs from the public calendar, or stands in for it."""

    date: IsoDate = Field(description="a date, year-month-day")
    kind: Literal["rest", "work"] = Field(description="rest or work")
    name: Names = Field(description="zh and en")


class CalendarFile(Model):
    """One file below `policy/calendar/`; all of them together are the calendar."""

    windows: list[Window] = Field(default=[], description="a list of windows")
    freezes: list[Freeze] = Field(default=[], description="a list of freezes")
    days: list[Day] = Field(default=[], description="a list of days")
    complete_years: list[int] = Field(
        default=[], description="years whose public holidays and make-up workdays are all listed below `days`"
    )


@dataclass(frozen=True, eq=False)
class Rule:
    """A window or a freeze and the place in policy where it stands (`policy/calendar/a.yml: windows[0]`)."""

    kind: RuleKind
    place: str
    entry: Entry

    @property
    def label(self) -> str:
        """Return how messages call it."""
        return f"{self.kind} {self.entry.name.zh} ({self.entry.name.en}; {self.place})"

    @property
    def days(self) -> Days:
        """Return the kind of day on which it may begin."""
        return self.entry.days if isinstance(self.entry, Window) else "all"


@dataclass(frozen=True)
class CalendarRules:
    """Everything that the files below `policy/calendar/` say."""

    windows: tuple[Rule, ...] = ()
    freezes: tuple[Rule, ...] = ()
    days: tuple[Day, ...] = ()
    complete_years: frozenset[int] = frozenset()


def combine(files: list[tuple[str, CalendarFile]]) -> CalendarRules:
    """Return the rules of all files, each with its place."""
    return CalendarRules(
        tuple(Rule("window", f"{f}: windows[{n}]", one) for f, model in files for n, one in enumerate(model.windows)),
        tuple(Rule("freeze", f"{f}: freezes[{n}]", one) for f, model in files for n, one in enumerate(model.freezes)),
        tuple(day for _, model in files for day in model.days),
        frozenset(year for _, model in files for year in model.complete_years),
    )
