"""Stretches of time, in UTC, and their arithmetic. Lists of spans are in order and free of overlaps unless said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Span(NamedTuple):
    """From `begin` on and before `end`."""

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """Return how long it lasts in real time."""
        return self.end - self.begin

    def overlaps(self, other: Span) -> bool:
        """Tell whether both have a moment in common."""
        return self.begin < other.end and other.begin < self.end

    def holds(self, other: Span) -> bool:
        """Tell whether all of `other` lies inside."""
        return self.begin <= other.begin and other.end <= self.end


def inner_span(begin: datetime, end: datetime, zone: ZoneInfo) -> Span:
    """Return the span between two local times; where a change of the clock leaves two readings, the shorter span.

    It may be empty, with an `end` that is not after its `begin`.
    """
    return Span(max(_readings(begin, zone)), min(_readings(end, zone)))


def outer_span(begin: datetime, end: datetime, zone: ZoneInfo) -> Span:
    """Return the span between two local times; where a change of the clock leaves two readings, the longer span."""
    return Span(min(_readings(begin, zone)), max(_readings(end, zone)))


def _readings(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return what a local time may mean: a time that comes twice means both, one that is skipped neither exactly."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return spans of any order, which may overlap, as an orderly list; spans that touch become one."""
    merged: list[Span] = []
    for span in sorted(one for one in spans if one.begin < one.end):
        if merged and span.begin <= merged[-1].end:
            merged[-1] = Span(merged[-1].begin, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def intersect(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the time that is in both lists."""
    common, left, right = [], 0, 0
    while left < len(some) and right < len(others):
        span = Span(max(some[left].begin, others[right].begin), min(some[left].end, others[right].end))
        if span.begin < span.end:
            common.append(span)
        if some[left].end < others[right].end:
            left += 1
        else:
            right += 1
    return common


def subtract(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the time of `some` that is not in `others`."""
    if not some:
        return []
    edges = [some[0].begin, *(edge for span in others for edge in span), some[-1].end]
    gaps = [Span(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]
    return intersect(some, gaps)
