"""The calendar of a policy: which rules apply to whom, when they come, and what is open after all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from yunwei.calendar.spans import Span, inner_span, intersect, merge, outer_span, subtract
from yunwei.calendar.workdays import Workdays
from yunwei.errors import UsageError
from yunwei.policy import Policy
from yunwei.policy.calendar import Rule

# How far a change of the clock can move a local time: a whole day where a country crossed the date line.
_CLOCK_CHANGE = timedelta(hours=25)


@dataclass(frozen=True)
class Demand:
    """Somebody who must be open: `windows` are alternatives."""

    label: str
    windows: tuple[Rule, ...]


@dataclass(frozen=True)
class Scope:
    """What a change touches: every demand must be open, none of the freezes on."""

    system: str | None
    host: str | None
    demands: tuple[Demand, ...]
    freezes: tuple[Rule, ...]

    @property
    def label(self) -> str:
        """Return how messages call it."""
        return " ".join(filter(None, (self.system, f"host {self.host}" if self.host else None)))


@dataclass(frozen=True)
class Occurrence:
    """One coming of a rule; `shut` says why a window does not count this time."""

    rule: Rule
    span: Span
    shut: str | None = None


@dataclass(frozen=True)
class Closure:
    """A time that is closed, and why, in few words and in full: a freeze, or a year without data, which has no rule."""

    place: str
    words: str
    label: str
    span: Span
    rule: Rule | None = None


class Calendar:
    """Answers for one policy. All moments are aware; what comes back is in UTC."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rules = policy.calendar
        self.zone: ZoneInfo = policy.estate.zone
        self.workdays = Workdays(policy.calendar)

    def words(self, moment: datetime) -> str:
        """Return a moment as people of the estate read it, with the weekday: `2026-12-05 22:00 Sat`."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M %a}"

    def scope(self, system: str | None, host: str | None = None) -> Scope:
        """Return what a change of a system, of one of its hosts, or of a host touches.

        A host that serves two systems touches both. Rules that name the host stand for all others; rules that name a
        system stand for those that name nobody. Freezes add up.

        Raises `UsageError` for a name that does not exist, a host that is not the system's, or neither.
        """
        if system is None and host is None:
            raise UsageError("name a system, a host or both")
        hosts = list(self.policy.system(system).hosts) if system else []
        if host is not None:
            self.policy.host(host)
            if hosts and host not in hosts:
                raise UsageError(f"host '{host}' is not one of system '{system}', which has {', '.join(hosts)}")
            hosts = [host]
        demands = {demand.windows: demand for name in hosts for demand in self._demands(name)}
        freezes = tuple(rule for rule in self.rules.freezes if any(self._concerns(rule, name) for name in hosts))
        return Scope(system, host, tuple(demands.values()), freezes)

    def _demands(self, host: str) -> Iterator[Demand]:
        windows = self.rules.windows
        own = tuple(rule for rule in windows if host in rule.entry.hosts)
        general = tuple(rule for rule in windows if not rule.entry.hosts and not rule.entry.systems)
        systems = self._systems_of.get(host, ())
        if own or not systems:
            yield Demand(f"host {host}", own or general)
            return
        for system in systems:
            yield Demand(f"system {system}", tuple(rule for rule in windows if system in rule.entry.systems) or general)

    def _concerns(self, rule: Rule, host: str) -> bool:
        entry = rule.entry
        for_all = not entry.systems and not entry.hosts
        return for_all or host in entry.hosts or not set(entry.systems).isdisjoint(self._systems_of.get(host, ()))

    @cached_property
    def _systems_of(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for system in self.policy.systems.values():
            for host in system.hosts:
                found.setdefault(host, []).append(system.id)
        return found

    def occurrences(self, rule: Rule, within: Span) -> list[Occurrence]:
        """Return when a rule comes, as far as it overlaps `within`, also the times at which a window does not count."""
        begin, end = (moment.astimezone(self.zone).replace(tzinfo=None) for moment in within)
        measure = inner_span if rule.kind == "window" else outer_span
        found = []
        for local in rule.entry.beginnings(begin - rule.entry.length - _CLOCK_CHANGE, end + _CLOCK_CHANGE):
            span = measure(local, local + rule.entry.length, self.zone)
            if local.date() not in rule.entry.without and span.begin < span.end and span.overlaps(within):
                found.append(Occurrence(rule, span, self._shut(rule, local.date())))
        return found

    def _shut(self, rule: Rule, day: date) -> str | None:
        """Return why a window does not count on a day. Years without data are closed as a whole: see `closures`."""
        if rule.days == "all" or not self.workdays.known(day.year):
            return None
        rests = self.workdays.rests(day)
        if rests == (rule.days == "rest_days"):
            return None
        name = self.workdays.name(day)
        kind = "rest day" if rests else "workday" if day.weekday() < 5 else "make-up workday"
        return f"{day} is a {kind}" + (f" ({name.zh}, {name.en})" if name else "")

    def closures(self, freezes: Sequence[Rule], within: Span) -> list[Closure]:
        """Return the freezes and the years without data that overlap `within`, in order."""
        comings = [one for rule in freezes for one in self.occurrences(rule, within)]
        found = [
            Closure(one.rule.place, f"freeze {one.rule.entry.name.zh}", one.rule.label, one.span, one.rule)
            for one in comings
        ]
        years = range(within.begin.astimezone(self.zone).year, within.end.astimezone(self.zone).year + 1)
        found += [self._unknown_year(year) for year in years if not self.workdays.known(year)]
        return sorted((one for one in found if one.span.overlaps(within)), key=lambda one: one.span)

    def _unknown_year(self, year: int) -> Closure:
        begin, end = (datetime.combine(date(one, 1, 1), time()) for one in (year, year + 1))
        words = f"no holiday data for {year}"
        label = (
            f"{words}, and a year that is not known is closed (update chinesecalendar, or list the year's holidays and "
            f"make-up workdays below policy/calendar and name it in complete_years)"
        )
        return Closure("policy/calendar: complete_years", words, label, outer_span(begin, end, self.zone))

    def last_known(self, begin: datetime, end: datetime) -> datetime:
        """Return the moment after `begin` and up to `end` at which the first year without data begins, or `end`."""
        unknown = self.closures((), Span(begin, end))
        return max(begin, unknown[0].span.begin) if unknown else end

    def wanted(self, demand: Demand, within: Span) -> list[Span]:
        """Return when one of a demand's windows is open, freezes left aside."""
        comings = (one for rule in demand.windows for one in self.occurrences(rule, within))
        return merge(one.span for one in comings if one.shut is None)

    def openings(self, scope: Scope, within: Span) -> list[Span]:
        """Return the times at which a change of this scope may be going on, as far as they overlap `within`.

        What touches them from outside of `within` may be missing at their ends.
        """
        found = None
        for demand in scope.demands:
            wanted = self.wanted(demand, within)
            found = wanted if found is None else intersect(found, wanted)
        closed = merge(one.span for one in self.closures(scope.freezes, wider(within, found or [])))
        return [span for span in subtract(found or [], closed) if span.overlaps(within)]


def wider(within: Span, spans: Sequence[Span]) -> Span:
    """Return a span that holds `within` and all of `spans`."""
    return Span(min([within.begin, *(span.begin for span in spans)]), max([within.end, *(span.end for span in spans)]))
