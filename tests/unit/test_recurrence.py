"""Rules that repeat: skipping ahead changes nothing, and what never comes is told at once."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from pydantic_core import PydanticCustomError

from yunwei.policy import recurrence
from yunwei.policy.recurrence import check_rule, check_start, last_day, occurrences

RULES = [
    ("FREQ=DAILY", "2001-03-04T22:00"),
    ("FREQ=DAILY;INTERVAL=13", "2001-03-04T22:00"),
    ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29", "2004-02-29T01:00"),
    ("FREQ=WEEKLY", "2001-03-04T22:00"),
    ("FREQ=WEEKLY;BYDAY=SA,SU", "2001-03-03T22:00"),
    ("FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SU;WKST=SU", "2001-03-04T22:00"),
    ("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=-1", "2001-03-02T22:00"),
    ("FREQ=MONTHLY", "2000-01-31T22:00"),
    ("FREQ=MONTHLY;BYDAY=2SA", "2001-03-10T22:00"),
    ("FREQ=MONTHLY;INTERVAL=5;BYDAY=-1SU", "2001-03-25T22:00"),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "2001-03-31T22:00"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "2001-03-01T22:00"),
    ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "2001-04-13T00:00"),
    ("FREQ=YEARLY", "2004-02-29T00:00"),
    ("FREQ=YEARLY;INTERVAL=3", "2001-09-28T00:00"),
    ("FREQ=YEARLY;BYMONTH=4,10;BYDAY=1MO", "2001-04-02T00:00"),
    ("FREQ=YEARLY;UNTIL=20261001", "2001-09-28T00:00"),
    ("FREQ=DAILY;COUNT=999", "2024-06-01T05:00"),
]
YEAR_BEGINS = datetime(2026, 1, 1)


@pytest.mark.parametrize(("rule", "starts"), RULES, ids=lambda value: value)
def test_skipping_ahead_finds_what_walking_finds(rule: str, starts: str) -> None:
    first = datetime.fromisoformat(starts)
    check_start(check_rule(rule), first)
    walked = list(rrulestr(rule, dtstart=first, ignoretz=True).between(first, datetime(2034, 1, 1), inc=True))
    assert walked[0] == first
    for begin in (datetime(2000, 1, 1), first, YEAR_BEGINS, YEAR_BEGINS + timedelta(days=200, hours=7)):
        end = begin + timedelta(days=2500)
        assert occurrences(rule, first, begin, end) == [one for one in walked if begin <= one < end]


@pytest.mark.parametrize("rule", ["FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=2", "FREQ=MONTHLY", "FREQ=YEARLY"])
def test_an_old_rule_is_not_walked_from_its_beginning(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []

    def counting(text: str, dtstart: datetime) -> Iterator[datetime]:
        return (walked.append(one) or one for one in rrulestr(text, dtstart=dtstart))

    monkeypatch.setattr(recurrence, "rrulestr", counting)
    occurrences(rule, datetime(2000, 1, 1, 22), YEAR_BEGINS, YEAR_BEGINS + timedelta(days=1))
    assert 0 < len(walked) < 40


def test_the_day_of_until_counts_whatever_the_hour() -> None:
    rule = "FREQ=DAILY;UNTIL=20260103"
    found = occurrences(rule, datetime(2026, 1, 1, 23, 59), YEAR_BEGINS, datetime(2027, 1, 1))
    assert [one.day for one in found] == [1, 2, 3]
    assert str(last_day(rule)) == "2026-01-03"


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ",
        "BYDAY=SA",
        "RRULE:FREQ=DAILY",
        "freq=daily",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYHOUR=3",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;COUNT=1000",
        "FREQ=DAILY;COUNT=3;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=20270230",
        "FREQ=MONTHLY;BYDAY=SATURDAY",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=YEARLY;BYDAY=",
        "FREQ=DAILY;INTERVAL=１",
        "FREQ=DAILY\n",
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(rule: str) -> None:
    with pytest.raises(PydanticCustomError):
        check_rule(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYDAY=SU",
        "FREQ=MONTHLY;BYDAY=6SA",
        "FREQ=MONTHLY;BYDAY=1SA;BYMONTHDAY=20",
        "FREQ=YEARLY;BYMONTH=4",
    ],
)
def test_a_rule_that_its_start_does_not_obey_is_refused_soon(rule: str) -> None:
    with pytest.raises(PydanticCustomError) as refused:
        check_start(check_rule(rule), datetime(2026, 12, 5, 22))
    assert refused.value.context["found"].endswith("leaves out its own first day 2026-12-05 (Saturday)")
