"""Schedules: when a backup is due, over midnight, month ends and changes of the clock."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from yunwei.policy import Schedule

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # half an hour of summer time
APIA = ZoneInfo("Pacific/Apia")  # had no 30 December 2011
ZONES = [SHANGHAI, BERLIN, LORD_HOWE, APIA, ZoneInfo("America/St_Johns"), ZoneInfo("UTC")]
SCHEDULES = [
    Schedule(every="day", at="00:00"),
    Schedule(every="day", at="02:30"),
    Schedule(every="day", at="23:59"),
    Schedule(every="week", day="sunday", at="02:30"),
    Schedule(every="week", day="monday", at="00:00"),
    Schedule(every="month", day=1, at="00:00"),
    Schedule(every="month", day=31, at="02:30"),
    Schedule(every="month", day="last", at="23:59"),
    Schedule(every="quarter", day=1, at="03:10"),
    Schedule(every="quarter", day=31, at="00:00"),
    Schedule(every="quarter", day="last", at="23:59"),
]
LONGEST = timedelta(days=93)


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def moments(zone: ZoneInfo) -> list[datetime]:
    """Return moments around every midnight, month end, change of the clock and leap day, and some between."""
    around = [
        "2024-02-29",
        "2024-03-31",
        "2024-04-07",
        "2024-10-06",
        "2024-10-27",
        "2024-12-31",
        "2011-12-30",
        "2025-03-09",
    ]
    starts = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in around]
    steps = [timedelta(hours=hours, minutes=minutes) for hours in range(-26, 27, 4) for minutes in (0, 31)]
    return [(start + step).astimezone(zone) for start in starts for step in steps]


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_now_always_lies_between_the_last_and_the_next_scheduled_moment(schedule: Schedule, zone: ZoneInfo) -> None:
    for now in moments(zone):
        last, following = schedule.last_scheduled(now, zone), schedule.next_due(now, zone)
        assert last <= now < following
        assert following - last <= LONGEST
        assert schedule.last_scheduled(last, zone) == last
        assert schedule.next_due(last, zone) == following
        assert schedule.last_scheduled(following, zone) == following


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_the_order_of_time_is_kept(schedule: Schedule, zone: ZoneInfo) -> None:
    ordered = sorted(moments(zone))
    for now, later in pairwise(ordered):
        assert schedule.last_scheduled(now, zone) <= schedule.last_scheduled(later, zone)
        assert schedule.next_due(now, zone) <= schedule.next_due(later, zone)


@pytest.mark.parametrize("zone", [SHANGHAI, BERLIN, LORD_HOWE], ids=str)
@pytest.mark.parametrize(("every", "count"), [("day", 366), ("week", 52), ("month", 12), ("quarter", 4)])
def test_a_year_holds_each_period_once(every: str, count: int, zone: ZoneInfo) -> None:
    day = {"day": None, "week": "sunday", "month": 31, "quarter": "last"}[every]
    schedule = Schedule(every=every, day=day, at="02:30")
    moment, found = at("2024-01-01T00:00", zone), []
    while (moment := schedule.next_due(moment, zone)) < at("2025-01-01T00:00", zone):
        found.append(moment)
    assert len(found) == count
    assert len({one.astimezone(zone).date() for one in found}) == count


@pytest.mark.parametrize(
    ("schedule", "now", "last"),
    [
        (Schedule(every="day", at="01:30"), "2026-03-01T01:29", "2026-02-28T01:30"),
        (Schedule(every="day", at="01:30"), "2026-03-01T01:30", "2026-03-01T01:30"),
        (Schedule(every="week", day="sunday", at="02:00"), "2026-03-01T01:59", "2026-02-22T02:00"),
        (Schedule(every="week", day="sunday", at="02:00"), "2026-03-07T23:59", "2026-03-01T02:00"),
        (Schedule(every="month", day=31, at="02:00"), "2026-03-01T00:00", "2026-02-28T02:00"),
        (Schedule(every="month", day=31, at="02:00"), "2024-03-01T00:00", "2024-02-29T02:00"),
        (Schedule(every="month", day="last", at="23:00"), "2026-05-01T00:00", "2026-04-30T23:00"),
        (Schedule(every="month", day=1, at="00:00"), "2026-01-01T00:00", "2026-01-01T00:00"),
        (Schedule(every="quarter", day=15, at="00:00"), "2026-04-14T23:59", "2026-01-15T00:00"),
        (Schedule(every="quarter", day=31, at="00:00"), "2026-06-30T00:00", "2026-04-30T00:00"),
        (Schedule(every="quarter", day="last", at="23:00"), "2026-03-31T22:59", "2025-12-31T23:00"),
    ],
)
def test_the_last_scheduled_moment(schedule: Schedule, now: str, last: str) -> None:
    assert schedule.last_scheduled(at(now), SHANGHAI) == at(last)


def test_a_time_that_the_clock_skips_comes_once() -> None:
    schedule = Schedule(every="day", at="02:30")  # 31 March 2024: 02:00 became 03:00
    skipped = schedule.next_due(at("2024-03-31T00:00", BERLIN), BERLIN)
    assert skipped == at("2024-03-31T03:30", BERLIN)
    assert schedule.next_due(skipped, BERLIN) == at("2024-04-01T02:30", BERLIN)


def test_a_time_that_comes_twice_counts_the_first_time() -> None:
    schedule = Schedule(every="day", at="02:30")  # 27 October 2024: 03:00 became 02:00
    first = schedule.next_due(at("2024-10-27T00:00", BERLIN), BERLIN)
    assert first == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert schedule.next_due(first, BERLIN) == at("2024-10-28T02:30", BERLIN)


@pytest.mark.parametrize(
    ("started", "due"),
    [
        (None, True),
        ("2026-02-28T01:30", True),
        ("2026-03-01T01:29", True),
        ("2026-03-01T01:30", False),
        ("2026-03-01T11:59", False),
        ("2026-03-01T12:01", True),  # a start in the future is not believed
        ("2036-03-01T00:00", True),
    ],
)
def test_due_unless_a_backup_started_since_the_last_scheduled_moment(started: str | None, due: bool) -> None:
    schedule = Schedule(every="day", at="01:30")
    last = at(started) if started else None
    assert schedule.due(last, at("2026-03-01T12:00"), SHANGHAI) is due


def test_a_run_at_noon_is_not_repeated_in_the_evening_but_the_next_night() -> None:
    schedule = Schedule(every="day", at="01:30")
    noon = at("2026-03-01T12:00")
    assert not schedule.due(noon, at("2026-03-02T01:29"), SHANGHAI)
    assert schedule.due(noon, at("2026-03-02T01:30"), SHANGHAI)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Schedule(every="day", at="01:30").next_due(datetime(2026, 3, 1), SHANGHAI)


@pytest.mark.parametrize(
    "schedule",
    [
        {"every": "day", "at": "1:30"},
        {"every": "day", "at": "24:00"},
        {"every": "day", "at": "01:60"},
        {"every": "day", "at": "01:30\n"},
        {"every": "day", "at": "０1:30"},
        {"every": "day", "at": 90},
        {"every": "day"},
        {"at": "01:30"},
        {"every": "hour", "at": "01:30"},
        {"every": "day", "day": 1, "at": "01:30"},
        {"every": "week", "at": "01:30"},
        {"every": "week", "day": "sun", "at": "01:30"},
        {"every": "week", "day": 1, "at": "01:30"},
        {"every": "month", "at": "01:30"},
        {"every": "month", "day": 0, "at": "01:30"},
        {"every": "month", "day": 32, "at": "01:30"},
        {"every": "month", "day": True, "at": "01:30"},
        {"every": "month", "day": "first", "at": "01:30"},
        {"every": "quarter", "day": "sunday", "at": "01:30"},
    ],
    ids=str,
)
def test_bad_schedules_are_refused(schedule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate(schedule)
