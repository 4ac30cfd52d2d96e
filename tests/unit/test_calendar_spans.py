"""Stretches of time: their arithmetic against a count of minutes, and local times over changes of the clock."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from yunwei.calendar.spans import Span, inner_span, intersect, merge, outer_span, subtract

BERLIN = ZoneInfo("Europe/Berlin")
ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def span(begin: int, end: int) -> Span:
    return Span(ZERO + timedelta(minutes=begin), ZERO + timedelta(minutes=end))


def minutes(spans: list[Span]) -> set[int]:
    return {
        n
        for one in spans
        for n in range((one.begin - ZERO) // timedelta(minutes=1), (one.end - ZERO) // timedelta(minutes=1))
    }


def some_spans(dice: random.Random) -> list[Span]:
    begins = [dice.randrange(60) for _ in range(dice.randrange(6))]
    return [span(begin, begin + dice.randrange(-1, 20)) for begin in begins]


@pytest.mark.parametrize("seed", range(300))
def test_arithmetic_agrees_with_sets_of_minutes(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same on every run
    left, right = some_spans(dice), some_spans(dice)
    some, others = merge(left), merge(right)
    assert minutes(some) == minutes(left)
    assert minutes(intersect(some, others)) == minutes(left) & minutes(right)
    assert minutes(subtract(some, others)) == minutes(left) - minutes(right)
    for orderly in (some, intersect(some, others), subtract(some, others)):
        assert all(one.begin < one.end for one in orderly)
        assert all(one.end < following.begin for one, following in pairwise(orderly))


def test_spans_that_touch_are_one() -> None:
    assert merge([span(10, 20), span(0, 10), span(5, 5)]) == [span(0, 20)]


@pytest.mark.parametrize(
    ("begin", "end", "inner", "outer"),
    [
        # 29 March 2026: 02:00 becomes 03:00
        ("2026-03-29T01:00", "2026-03-29T04:00", 120, 120),
        ("2026-03-29T02:00", "2026-03-29T03:00", 0, 60),
        ("2026-03-29T02:30", "2026-03-29T04:00", 30, 90),
        # 25 October 2026: 03:00 becomes 02:00
        ("2026-10-25T01:00", "2026-10-25T04:00", 240, 240),
        ("2026-10-25T02:15", "2026-10-25T02:45", -30, 90),
        ("2026-10-25T01:00", "2026-10-25T02:30", 90, 150),
        # a night without a change
        ("2026-12-05T22:00", "2026-12-06T06:00", 480, 480),
    ],
)
def test_windows_take_the_shorter_reading_and_freezes_the_longer(begin: str, end: str, inner: int, outer: int) -> None:
    local = datetime.fromisoformat(begin), datetime.fromisoformat(end)
    assert inner_span(*local, BERLIN).length == timedelta(minutes=inner)
    assert outer_span(*local, BERLIN).length == timedelta(minutes=outer)
