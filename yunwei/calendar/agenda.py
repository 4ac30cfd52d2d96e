"""What the coming days bring, in the order of time: openings, freezes, holidays, make-up workdays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Literal

from yunwei.calendar.plan import Calendar, Closure, Scope, wider
from yunwei.calendar.spans import Span, intersect, merge, outer_span, subtract
from yunwei.policy.calendar import Rule
from yunwei.policy.system import Names

Kind = Literal["open", "closed", "freeze", "holiday", "workday", "no data"]


@dataclass(frozen=True)
class Line:
    """One stretch of time and what it is; `rule` is its place in policy, None for a public holiday."""

    kind: Kind
    span: Span
    name: Names
    rule: Rule | None = None
    note: str = ""

    def to_json(self, calendar: Calendar) -> dict[str, Any]:
        """Return the line as a JSON object with local times."""
        begin, end = (moment.astimezone(calendar.zone).isoformat() for moment in self.span)
        return {
            "kind": self.kind,
            "begin": begin,
            "end": end,
            "name": {"zh": self.name.zh, "en": self.name.en},
            "rule": self.rule.place if self.rule else None,
            "systems": self.rule.entry.systems if self.rule else [],
            "hosts": self.rule.entry.hosts if self.rule else [],
            "note": self.note,
        }


def agenda(calendar: Calendar, scope: Scope | None, within: Span) -> list[Line]:
    """Return everything that overlaps `within`; for one scope only its own rules, and only what is open to it."""
    freezes = calendar.rules.freezes if scope is None else scope.freezes
    lines = [*_windows(calendar, scope, within), *_freezes(calendar, freezes, within), *_days(calendar, within)]
    return sorted(lines, key=lambda line: (line.span, line.kind, line.name.en))


def _freezes(calendar: Calendar, freezes: tuple[Rule, ...], within: Span) -> Iterator[Line]:
    for rule in freezes:
        for one in calendar.occurrences(rule, within):
            yield Line("freeze", one.span, rule.entry.name, rule)
    for closure in calendar.closures((), within):
        yield Line("no data", closure.span, Names(zh="没有节假日数据", en="no holiday data"), None, closure.label)


def _windows(calendar: Calendar, scope: Scope | None, within: Span) -> Iterator[Line]:
    rules = calendar.rules.windows if scope is None else dict.fromkeys(r for d in scope.demands for r in d.windows)
    comings = [one for rule in rules for one in calendar.occurrences(rule, within)]
    freezes = calendar.rules.freezes if scope is None else scope.freezes
    closures = calendar.closures(freezes, wider(within, [one.span for one in comings]))
    for one in comings:
        if one.shut is not None:
            yield Line("closed", one.span, one.rule.entry.name, one.rule, one.shut)
            continue
        hit = [closure for closure in closures if closure.span.overlaps(one.span)]
        if scope is None:
            hit = [closure for closure in hit if closure.rule is None or _covers(closure.rule, one.rule)]
        others = [d for d in scope.demands if one.rule not in d.windows] if scope else []
        yield from _effective(one.rule, one.span, hit, [calendar.wanted(demand, one.span) for demand in others])


def _covers(freeze: Rule, window: Rule) -> bool:
    """Tell whether a freeze closes a window for everybody whom the window is for."""
    if not freeze.entry.systems and not freeze.entry.hosts:
        return True
    named = bool(window.entry.systems or window.entry.hosts)
    return (
        named
        and set(window.entry.systems) <= set(freeze.entry.systems)
        and set(window.entry.hosts) <= set(freeze.entry.hosts)
    )


def _effective(rule: Rule, span: Span, hit: list[Closure], others: list[list[Span]]) -> Iterator[Line]:
    """Yield what is left of a window when freezes, and windows of others that it must share, are taken into account."""
    left = subtract([span], merge(closure.span for closure in hit))
    for wanted in others:
        left = intersect(left, wanted)
    notes = [closure.words for closure in hit]
    if others and left != [span]:
        notes.append("a host is shared with a system that has windows of its own")
    note = "; ".join(notes)
    if not left:
        yield Line("closed", span, rule.entry.name, rule, note)
    for rest in left:
        yield Line("open", rest, rule.entry.name, rule, f"shortened by {note}" if note else "")


def _days(calendar: Calendar, within: Span) -> Iterator[Line]:
    """Yield the holidays and make-up workdays, days of one name that follow each other as one line."""
    first, last = (moment.astimezone(calendar.zone).date() for moment in within)
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    for (name, rests), group in groupby(days, key=lambda day: _special(calendar, day)):
        if name is not None:
            some = list(group)
            begin, end = some[0], some[-1] + timedelta(days=1)
            span = outer_span(datetime.combine(begin, time()), datetime.combine(end, time()), calendar.zone)
            yield Line("holiday" if rests else "workday", span, name)


def _special(calendar: Calendar, day: date) -> tuple[Names | None, bool]:
    if not calendar.workdays.known(day.year):
        return None, False
    return calendar.workdays.name(day), calendar.workdays.rests(day)
