"""May a change begin? Every refusal names its rule and the next opening with enough room."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.inventories import CALENDAR, ESTATE, InventoryCopy
from yunwei.calendar import Answer, Calendar, check, parse_duration, parse_moment, plan
from yunwei.calendar.spans import outer_span
from yunwei.errors import UsageError

WEEKEND = """windows:
  - name: {zh: 周末, en: weekend}
    starts: 2026-01-10T22:00
    ends: 2026-01-11T06:00
    repeats: FREQ=WEEKLY;BYDAY=SA,SU
    days: rest_days
"""
FREEZE = """freezes:
  - name: {zh: 大会, en: meeting}
    starts: 2026-12-06T02:00
    ends: 2026-12-08T08:00
"""


class Lab:
    """The lab's policy with a calendar of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.copy = InventoryCopy(folder)

    def calendar(self, text: str, zone: str = "Asia/Shanghai") -> Calendar:
        self.copy.write(CALENDAR, text)
        if zone != "Asia/Shanghai":
            self.copy.edit(ESTATE, "Asia/Shanghai", zone)
        return Calendar(self.copy.load())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def ask(
    calendar: Calendar, at: str, duration: str = "2h", system: str | None = "legalservice", host: str | None = None
) -> Answer:
    moment = parse_moment(at, calendar.zone)
    return check(calendar, calendar.scope(system, host), moment, parse_duration(duration))


def opening(calendar: Calendar, answer: Answer) -> tuple[str, str] | None:
    if answer.opening is None:
        return None
    begin, end = (f"{moment.astimezone(calendar.zone):%Y-%m-%dT%H:%M}" for moment in answer.opening)
    return begin, end


@pytest.mark.parametrize(
    ("at", "duration", "may", "next_opening"),
    [
        ("2026-11-28T22:00", "8h", True, ("2026-11-28T22:00", "2026-11-29T06:00")),
        ("2026-11-28T22:00", "8h1m", False, None),
        ("2026-11-28T21:59", "2h", False, ("2026-11-28T22:00", "2026-11-29T06:00")),
        ("2026-11-29T04:00", "2h", True, ("2026-11-29T04:00", "2026-11-29T06:00")),
        ("2026-11-29T04:01", "2h", False, ("2026-11-29T22:00", "2026-11-30T06:00")),
        ("2026-11-29T06:00", "1m", False, ("2026-11-29T22:00", "2026-11-30T06:00")),
        ("2026-12-05T22:00", "4h", True, ("2026-12-05T22:00", "2026-12-06T02:00")),
        ("2026-12-05T22:01", "4h", False, ("2026-12-12T22:00", "2026-12-13T06:00")),
        ("2026-12-07T22:00", "1m", False, ("2026-12-12T22:00", "2026-12-13T06:00")),
    ],
)
def test_all_of_a_change_must_fit(
    lab: Lab, at: str, duration: str, may: bool, next_opening: tuple[str, str] | None
) -> None:
    calendar = lab.calendar(WEEKEND + FREEZE)
    answer = ask(calendar, at, duration)
    assert answer.may_begin is may
    assert bool(answer.reasons) is not may
    assert opening(calendar, answer) == next_opening


class TestReasons:
    def said(self, answer: Answer) -> list[tuple[tuple[str, ...], str]]:
        return [(reason.rules, reason.text) for reason in answer.reasons]

    def test_no_window_is_open(self, lab: Lab) -> None:
        answer = ask(lab.calendar(WEEKEND), "2026-11-25T10:00")
        ((rules, text),) = self.said(answer)
        assert rules == ("policy/calendar/calendar.yml: windows[0]",)
        assert text.startswith("at 2026-11-25 10:00 Wed none of these is open: window 周末 (weekend; policy/")

    def test_the_window_closes_too_soon(self, lab: Lab) -> None:
        ((_, text),) = self.said(ask(lab.calendar(WEEKEND), "2026-11-29T05:00", "1h30m"))
        assert text.endswith("closes 2026-11-29 06:00 Sun; 1h30m needed, 1h left")

    def test_a_freeze_is_on(self, lab: Lab) -> None:
        ((rules, text),) = self.said(ask(lab.calendar(WEEKEND + FREEZE), "2026-12-06T23:00"))
        assert rules == ("policy/calendar/calendar.yml: freezes[0]",)
        assert text.endswith("freezes[0]): from 2026-12-06 02:00 Sun until 2026-12-08 08:00 Tue")

    def test_a_freeze_begins_too_soon(self, lab: Lab) -> None:
        ((_, text),) = self.said(ask(lab.calendar(WEEKEND + FREEZE), "2026-12-06T01:30", "45m"))
        assert text.endswith("begins 2026-12-06 02:00 Sun; 45m needed, 30m left")

    def test_window_and_freeze_are_both_named(self, lab: Lab) -> None:
        rules = [
            rule for reason in ask(lab.calendar(WEEKEND + FREEZE), "2026-12-07T12:00").reasons for rule in reason.rules
        ]
        assert rules == ["policy/calendar/calendar.yml: windows[0]", "policy/calendar/calendar.yml: freezes[0]"]

    def test_no_window_at_all(self, lab: Lab) -> None:
        answer = ask(lab.calendar("{freezes: []}"), "2026-12-05T23:00")
        assert self.said(answer) == [(("policy/calendar",), "no window is declared for system legalservice")]
        assert answer.opening is None


class TestHolidays:
    def test_a_make_up_saturday_is_no_weekend(self, lab: Lab) -> None:
        calendar = lab.calendar(WEEKEND)
        answer = ask(calendar, "2026-10-10T22:00")
        assert answer.reasons[0].text.endswith("does not count: 2026-10-10 is a make-up workday (国庆节, National Day)")
        assert opening(calendar, answer) == ("2026-10-11T22:00", "2026-10-12T06:00")

    def test_a_holiday_on_a_weekday_is_no_workday(self, lab: Lab) -> None:
        workdays = WEEKEND.replace("BYDAY=SA,SU", "BYDAY=MO,TU,WE,TH,FR,SA,SU").replace("rest_days", "workdays")
        calendar = lab.calendar(workdays)
        assert not ask(calendar, "2026-10-01T22:00").may_begin
        assert ask(calendar, "2026-10-10T22:00").may_begin
        assert ask(calendar, "2026-10-12T22:00").may_begin

    def test_a_night_is_judged_by_the_day_on_which_it_begins(self, lab: Lab) -> None:
        calendar = lab.calendar(WEEKEND)
        assert ask(calendar, "2026-05-08T23:00").may_begin is False  # a Friday before a make-up Saturday
        assert ask(calendar, "2026-10-12T01:00").may_begin is True  # Monday, in the night that began on Sunday

    def test_policy_adds_days_and_wins_over_the_public_calendar(self, lab: Lab) -> None:
        days = """days:
  - {date: 2026-12-05, kind: work, name: {zh: 加班, en: overtime}}
  - {date: 2026-10-10, kind: rest, name: {zh: 补休, en: day off}}
"""
        calendar = lab.calendar(WEEKEND + days)
        assert "make-up workday (加班, overtime)" in ask(calendar, "2026-12-05T22:00").reasons[0].text
        assert ask(calendar, "2026-10-10T22:00").may_begin

    def test_a_year_without_data_is_closed_and_says_so(self, lab: Lab) -> None:
        calendar = lab.calendar(WEEKEND.replace("rest_days", "all"))
        answer = ask(calendar, "2199-01-05T22:00")
        assert any(
            "no holiday data for 2199" in reason.text and "complete_years" in reason.text for reason in answer.reasons
        )
        assert answer.opening is None

    def test_work_may_not_run_into_a_year_without_data(self, lab: Lab) -> None:
        calendar = lab.calendar(WEEKEND.replace("SA,SU", "MO,TU,WE,TH,FR,SA,SU").replace("rest_days", "all"))
        year = max(year for year in range(2020, 2199) if calendar.workdays.known(year))
        assert ask(calendar, f"{year}-12-31T22:00", "2h").may_begin
        answer = ask(calendar, f"{year}-12-31T22:00", "2h1m")
        assert [f"no holiday data for {year + 1}" in reason.text for reason in answer.reasons] == [True]

    def test_policy_can_stand_in_for_a_year_without_data(self, lab: Lab) -> None:
        days = """complete_years: [2199]
days:
  - {date: 2199-01-04, kind: rest, name: {zh: 元旦, en: New Year}}
  - {date: 2199-01-05, kind: work, name: {zh: 元旦, en: New Year}}
"""
        calendar = lab.calendar(WEEKEND.replace("BYDAY=SA,SU", "BYDAY=FR,SA,SU") + days)
        friday, saturday, next_saturday = "2199-01-04T22:00", "2199-01-05T22:00", "2199-01-12T22:00"
        assert ask(calendar, friday).may_begin
        assert not ask(calendar, saturday).may_begin
        assert ask(calendar, next_saturday).may_begin


class TestOverrides:
    CALENDAR = (
        WEEKEND
        + """  - name: {zh: 调解, en: of a system}
    starts: 2026-01-05T12:00
    ends: 2026-01-05T14:00
    repeats: FREQ=DAILY
    systems: [mediation]
    days: all
  - name: {zh: 主机, en: of a host}
    starts: 2026-01-05T18:00
    ends: 2026-01-05T19:00
    repeats: FREQ=DAILY
    hosts: [legacy1]
    days: all
"""
    )
    NOON, EVENING, NIGHT = "2026-11-28T12:00", "2026-11-28T18:00", "2026-11-28T22:00"

    def open_at(self, calendar: Calendar, system: str | None, host: str | None) -> list[bool]:
        return [ask(calendar, at, "30m", system, host).may_begin for at in (self.NOON, self.EVENING, self.NIGHT)]

    def test_a_systems_window_stands_for_the_general_one_and_a_hosts_for_both(self, lab: Lab) -> None:
        calendar = lab.calendar(self.CALENDAR)
        assert self.open_at(calendar, "mediation", "app1") == [True, False, False]
        assert self.open_at(calendar, None, "legacy1") == [False, True, False]
        assert self.open_at(calendar, None, "scratch1") == [False, False, True]

    def test_a_host_of_two_systems_is_open_when_both_are(self, lab: Lab) -> None:
        calendar = lab.calendar(self.CALENDAR)
        assert self.open_at(calendar, None, "db1") == [False, False, False]
        wide = self.CALENDAR.replace("2026-01-05T12:00", "2026-01-05T20:00").replace(
            "2026-01-05T14:00", "2026-01-06T00:00"
        )
        assert ask(lab.calendar(wide), "2026-11-28T22:00", "2h", None, "db1").may_begin
        assert not ask(lab.calendar(wide), "2026-11-28T22:00", "2h1m", None, "db1").may_begin

    def test_a_system_is_open_when_all_its_hosts_are(self, lab: Lab) -> None:
        calendar = lab.calendar(self.CALENDAR)
        assert self.open_at(calendar, "legalservice", None) == [False, False, False]
        assert self.open_at(calendar, "mediation", None) == [False, False, False]

    @pytest.mark.parametrize(
        ("whom", "system", "host", "may"),
        [
            ("", "mediation", None, False),
            ("    systems: [mediation]\n", "mediation", None, False),
            ("    systems: [mediation]\n", "legalservice", None, False),  # db1 serves both
            ("    systems: [mediation]\n", "legalservice", "legacy1", True),
            ("    hosts: [app1]\n", "mediation", None, False),
            ("    hosts: [app1]\n", "mediation", "db1", True),
            ("    hosts: [app1]\n", "legalservice", None, True),
        ],
    )
    def test_freezes_add_up(self, lab: Lab, whom: str, system: str, host: str | None, may: bool) -> None:
        calendar = lab.calendar(WEEKEND + FREEZE + whom)
        assert ask(calendar, "2026-12-06T22:00", "2h", system, host).may_begin is may

    @pytest.mark.parametrize(
        ("system", "host", "said"),
        [
            ("mediaton", None, "Did you mean 'mediation'"),
            (None, "db9", "there is no host 'db9'"),
            ("mediation", "legacy1", "not one of system 'mediation', which has db1, app1"),
            (None, None, "name a system"),
        ],
    )
    def test_names_that_do_not_fit(self, lab: Lab, system: str | None, host: str | None, said: str) -> None:
        with pytest.raises(UsageError, match=said):
            lab.calendar(WEEKEND).scope(system, host)


class TestClockChanges:
    NIGHTS = """windows:
  - name: {zh: 夜间, en: nights}
    starts: 2026-01-01T01:00
    ends: 2026-01-01T04:00
    repeats: FREQ=DAILY
    days: all
"""

    def test_a_night_is_shorter_in_spring_and_longer_in_autumn(self, lab: Lab) -> None:
        calendar = lab.calendar(self.NIGHTS, "Europe/Berlin")
        lengths = []
        for day in ("2026-03-28", "2026-03-29", "2026-10-25"):
            answer = ask(calendar, f"{day}T01:00", "1m")
            assert answer.opening is not None
            lengths.append(answer.opening.length)
        assert lengths == [timedelta(hours=3), timedelta(hours=2), timedelta(hours=4)]

    def test_a_window_in_the_hour_that_is_skipped_does_not_open(self, lab: Lab) -> None:
        calendar = lab.calendar(self.NIGHTS.replace("T01:00", "T02:00").replace("T04:00", "T03:00"), "Europe/Berlin")
        answer = ask(calendar, "2026-03-29T01:30", "10m")
        assert opening(calendar, answer) == ("2026-03-30T02:00", "2026-03-30T03:00")


def test_windows_that_overlap_or_touch_are_one_opening(lab: Lab) -> None:
    more = (
        WEEKEND
        + """  - {name: {zh: 早, en: early}, starts: 2026-11-29T06:00, ends: 2026-11-29T09:00, days: all}
  - {name: {zh: 重, en: again}, starts: 2026-11-29T05:00, ends: 2026-11-29T07:00, days: all}
  - {name: {zh: 整日, en: whole day}, starts: 2026-11-30, ends: 2026-11-30, days: workdays}
"""
    )
    calendar = lab.calendar(more)
    assert opening(calendar, ask(calendar, "2026-11-28T22:00", "11h")) == ("2026-11-28T22:00", "2026-11-29T09:00")
    assert opening(calendar, ask(calendar, "2026-11-29T22:00", "26h")) == ("2026-11-29T22:00", "2026-12-01T00:00")


def test_a_repetition_that_is_left_out_does_not_come(lab: Lab) -> None:
    calendar = lab.calendar(WEEKEND + "    without: [2026-11-28]\n")
    assert not ask(calendar, "2026-11-28T22:00").may_begin
    assert ask(calendar, "2026-11-29T22:00").may_begin


def test_work_that_does_not_ask_is_never_held_up(lab: Lab) -> None:
    answer = ask(lab.calendar(WEEKEND + FREEZE), "2026-12-07T12:00").unasked()
    assert answer.may_begin
    assert answer.reasons == ()


@pytest.mark.parametrize("seed", range(12))
def test_the_answer_agrees_with_a_walk_minute_by_minute(lab: Lab, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same on every run
    first = datetime(2026, 11, 20)
    text = {"windows": "windows:\n", "freezes": "freezes:\n"}
    stretches: dict[str, list[tuple[datetime, datetime]]] = {"windows": [], "freezes": []}
    for kind in [*["windows"] * 8, *["freezes"] * 4]:
        begin = first + timedelta(minutes=dice.randrange(4 * 1440))
        end = begin + timedelta(minutes=dice.randrange(1, 900))
        stretches[kind].append((begin, end))
        days = "days: all" if kind == "windows" else "systems: []"
        text[kind] += (
            f"  - {{name: {{zh: a, en: a}}, starts: {begin:%Y-%m-%dT%H:%M}, ends: {end:%Y-%m-%dT%H:%M}, {days}}}\n"
        )
    calendar = lab.calendar(text["windows"] + text["freezes"])

    def is_open(minute: datetime) -> bool:
        inside = {kind: any(begin <= minute < end for begin, end in some) for kind, some in stretches.items()}
        return inside["windows"] and not inside["freezes"]

    openness = [is_open(first + timedelta(minutes=minute)) for minute in range(6 * 1440)]
    room = [0] * (6 * 1440 + 1)  # how many minutes from each on are open
    for minute in reversed(range(6 * 1440)):
        room[minute] = room[minute + 1] + 1 if openness[minute] else 0
    for _ in range(60):
        at, length = dice.randrange(4 * 1440), dice.randrange(1, 300)
        answer = ask(calendar, f"{first + timedelta(minutes=at):%Y-%m-%dT%H:%M}", f"{length}m")
        assert answer.may_begin is (room[at] >= length)
        assert bool(answer.reasons) is not answer.may_begin
        starts = [one for one in range(at, 6 * 1440) if room[one] >= length]
        found = answer.opening and answer.opening.begin.astimezone(calendar.zone).replace(tzinfo=None)
        assert found == (first + timedelta(minutes=starts[0]) if starts else None)


def test_of_ten_thousand_events_only_those_nearby_are_expanded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, lines = datetime(2020, 2, 1, 1), []
    for count in range(10_000):
        starts = begin + timedelta(hours=6 * count)
        times = f"starts: {starts:%Y-%m-%dT%H:%M}, ends: {starts + timedelta(minutes=20):%Y-%m-%dT%H:%M}"
        repeats = "" if count % 10 else ", repeats: FREQ=YEARLY"
        lines.append(f"  - {{name: {{zh: a, en: a}}, {times}{repeats}}}\n")
    lab.copy.write("policy/calendar/many.yml", "freezes:\n" + "".join(lines))
    calendar = lab.calendar(WEEKEND)
    expanded = []
    monkeypatch.setattr(plan, "outer_span", lambda *words: expanded.append(words) or outer_span(*words))
    answer = ask(calendar, "2026-11-25T12:00", "10m")
    assert 30 < len(expanded) < 300
    assert opening(calendar, answer) == ("2026-11-28T22:00", "2026-11-29T01:00")


@pytest.mark.parametrize(("text", "minutes"), [("45m", 45), ("2h", 120), ("1h30m", 90), ("1d12h", 2160), ("90m", 90)])
def test_durations(text: str, minutes: int) -> None:
    assert parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "0m", "45", "m", "-5m", "1.5h", "45s", "30m1h", "４5m", " 45m", "1h 30m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tomorrow", "no time"),
        ("2026-13-01", "no time"),
        ("1999-01-01", "from 2000"),
        ("9999-12-31T23:59-23:00", "no time|from 2000"),
    ],
)
def test_what_is_no_moment(lab: Lab, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_moment(text, lab.calendar(WEEKEND).zone)


def test_a_moment_that_the_clock_skips(lab: Lab) -> None:
    zone = lab.calendar(WEEKEND, "Europe/Berlin").zone
    with pytest.raises(UsageError, match="put forward"):
        parse_moment("2026-03-29T02:30", zone)
    assert parse_moment("2026-10-25T02:30", zone).isoformat() == "2026-10-25T00:30:00+00:00"
    assert parse_moment("2026-10-25T02:30+01:00", zone).isoformat() == "2026-10-25T01:30:00+00:00"
