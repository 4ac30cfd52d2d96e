"""May a change begin now? With every rule that forbids it, and when there is room next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from yunwei.calendar.plan import Calendar, Demand, Occurrence, Scope
from yunwei.calendar.spans import Span
from yunwei.calendar.words import duration_words

# How far ahead room is looked for: most is found in the first stretch, and the last one ends the search.
SEARCHED_DAYS = 400
_AHEAD = (timedelta(days=8), timedelta(days=62), timedelta(days=SEARCHED_DAYS))


@dataclass(frozen=True)
class Reason:
    """Why not: the places in policy of the rules that closed it, and a sentence."""

    rules: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Answer:
    """Whether a change may begin.

    `opening` is what it would run in, or the next one with room for it; None where there is none in `SEARCHED_DAYS`.
    `asked` is False for work that the calendar does not hold up. `reasons` say why it may not begin.
    """

    at: datetime
    duration: timedelta
    opening: Span | None
    reasons: tuple[Reason, ...] = ()
    asked: bool = True

    @property
    def may_begin(self) -> bool:
        """Tell whether it has room from its very beginning, or needs none."""
        return not self.asked or (self.opening is not None and self.opening.begin == self.at)

    @property
    def needs(self) -> str:
        """Return the duration in words."""
        return duration_words(self.duration)

    def unasked(self) -> Answer:
        """Return the answer for work that does not ask the calendar."""
        return replace(self, reasons=(), opening=None, asked=False)

    def to_json(self, calendar: Calendar) -> dict[str, Any]:
        """Return the answer as a JSON object with local times."""
        opening = None
        if self.opening is not None:
            begin, end = (moment.astimezone(calendar.zone).isoformat() for moment in self.opening)
            latest = (self.opening.end - self.duration).astimezone(calendar.zone).isoformat()
            opening = {"begin": begin, "end": end, "latest_begin": latest}
        return {
            "at": self.at.astimezone(calendar.zone).isoformat(),
            "duration_seconds": int(self.duration.total_seconds()),
            "may_begin": self.may_begin,
            "asks_calendar": self.asked,
            "reasons": [{"rules": list(reason.rules), "text": reason.text} for reason in self.reasons],
            "opening" if self.may_begin else "next_opening": opening,
        }


def check(calendar: Calendar, scope: Scope, at: datetime, duration: timedelta) -> Answer:
    """Return whether a change that takes `duration` may begin `at` a moment: all of it must fit."""
    change = Span(at, at + duration)
    answer = Answer(at, duration, _opening(calendar, scope, change))
    if answer.may_begin:
        return answer
    reasons = [reason for demand in scope.demands for reason in _closed_windows(calendar, demand, change)]
    return replace(answer, reasons=(*reasons, *_closures(calendar, scope, change)))


def _opening(calendar: Calendar, scope: Scope, change: Span) -> Span | None:
    """Return the first opening that has room for all of a change at its time or later."""
    for ahead in _AHEAD:
        within = Span(change.begin, calendar.last_known(change.begin, change.end + ahead))
        for span in calendar.openings(scope, within):
            room = Span(max(span.begin, change.begin), span.end)
            if room.length >= change.length:
                return room
    return None


def _closures(calendar: Calendar, scope: Scope, change: Span) -> Iterator[Reason]:
    for one in calendar.closures(scope.freezes, change):
        begin, end = (calendar.words(moment) for moment in one.span)
        if one.span.begin <= change.begin:
            text = f"{one.label}: from {begin} until {end}"
        else:
            room = duration_words(one.span.begin - change.begin)
            text = f"{one.label}: begins {begin}; {duration_words(change.length)} needed, {room} left"
        yield Reason((one.place,), text)


def _closed_windows(calendar: Calendar, demand: Demand, change: Span) -> Iterator[Reason]:
    """Yield why a demand's windows do not hold all of a change; nothing when they do."""
    if not demand.windows:
        yield Reason(("policy/calendar",), f"no window is declared for {demand.label}")
        return
    comings = [one for rule in demand.windows for one in calendar.occurrences(rule, change)]
    current = next((span for span in calendar.wanted(demand, change) if span.begin <= change.begin < span.end), None)
    if current is None:
        yield from _not_open(calendar, demand, change, comings)
    elif not current.holds(change):
        yield from (
            Reason((one.rule.place,), _too_short(calendar, one, change))
            for one in comings
            if one.shut is None and one.span.end == current.end
        )


def _not_open(calendar: Calendar, demand: Demand, change: Span, comings: list[Occurrence]) -> Iterator[Reason]:
    shut = [one for one in comings if one.shut is not None and one.span.begin <= change.begin < one.span.end]
    for one in shut:
        yield Reason((one.rule.place,), f"{one.rule.label} does not count: {one.shut}")
    if not shut:
        labels = ", ".join(rule.label for rule in demand.windows)
        when = calendar.words(change.begin)
        yield Reason(tuple(rule.place for rule in demand.windows), f"at {when} none of these is open: {labels}")


def _too_short(calendar: Calendar, one: Occurrence, change: Span) -> str:
    closes, left = calendar.words(one.span.end), duration_words(one.span.end - change.begin)
    return f"{one.rule.label} closes {closes}; {duration_words(change.length)} needed, {left} left"
