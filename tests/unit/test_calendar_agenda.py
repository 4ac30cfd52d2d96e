"""What the coming days bring: in order, and only what is really open is called open."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.inventories import CALENDAR, InventoryCopy
from yunwei.calendar import Calendar, Line, Span, agenda, parse_moment

RULES = """windows:
  - name: {zh: 周末, en: weekend}
    starts: 2026-01-10T22:00
    ends: 2026-01-11T06:00
    repeats: FREQ=WEEKLY;BYDAY=SA,SU
    days: rest_days
  - name: {zh: 调解, en: of a system}
    starts: 2026-01-05T20:00
    ends: 2026-01-06T00:00
    repeats: FREQ=DAILY
    systems: [mediation]
    days: all
freezes:
  - {name: {zh: 大会, en: meeting}, starts: 2026-10-11T23:00, ends: 2026-10-12T08:00}
  - {name: {zh: 调解周, en: week of mediation}, starts: 2026-10-10, ends: 2026-10-10, systems: [mediation]}
  - {name: {zh: 调解日, en: day of mediation}, starts: 2026-10-24, ends: 2026-10-24, systems: [mediation]}
"""


@pytest.fixture
def calendar(tmp_path: Path) -> Calendar:
    lab = InventoryCopy(tmp_path)
    lab.write(CALENDAR, RULES)
    return Calendar(lab.load())


def lines(calendar: Calendar, at: str, days: int, system: str | None = None, host: str | None = None) -> list[Line]:
    begin = parse_moment(at, calendar.zone)
    scope = calendar.scope(system, host) if system or host else None
    return agenda(calendar, scope, Span(begin, begin + timedelta(days=days)))


def short(calendar: Calendar, found: list[Line]) -> list[tuple[str, str, str, str]]:
    local = [[f"{one.astimezone(calendar.zone):%m-%dT%H:%M}" for one in line.span] for line in found]
    return [(line.kind, begin, end, line.name.en) for line, (begin, end) in zip(found, local, strict=True)]


def test_everything_in_the_order_of_time(calendar: Calendar) -> None:
    found = lines(calendar, "2026-10-06T12:00", 6)
    assert short(calendar, found) == [
        ("holiday", "10-06T00:00", "10-08T00:00", "National Day"),
        ("open", "10-06T20:00", "10-07T00:00", "of a system"),
        ("open", "10-07T20:00", "10-08T00:00", "of a system"),
        ("open", "10-08T20:00", "10-09T00:00", "of a system"),
        ("open", "10-09T20:00", "10-10T00:00", "of a system"),
        ("freeze", "10-10T00:00", "10-11T00:00", "week of mediation"),
        ("workday", "10-10T00:00", "10-11T00:00", "National Day"),
        ("closed", "10-10T20:00", "10-11T00:00", "of a system"),
        ("closed", "10-10T22:00", "10-11T06:00", "weekend"),
        ("open", "10-11T20:00", "10-11T23:00", "of a system"),
        ("open", "10-11T22:00", "10-11T23:00", "weekend"),
        ("freeze", "10-11T23:00", "10-12T08:00", "meeting"),
    ]
    notes = {(line.kind, line.name.en): line.note for line in found if line.note}
    assert notes == {
        ("closed", "of a system"): "freeze 调解周",
        ("closed", "weekend"): "2026-10-10 is a make-up workday (国庆节, National Day)",
        ("open", "of a system"): "shortened by freeze 大会",
        ("open", "weekend"): "shortened by freeze 大会",
    }


def test_a_systems_own_lines_and_what_its_shared_host_leaves_of_them(calendar: Calendar) -> None:
    found = lines(calendar, "2026-10-16T12:00", 2, "mediation")
    assert [line for line in short(calendar, found) if line[0] == "open"] == [
        ("open", "10-17T22:00", "10-18T00:00", "of a system"),
        ("open", "10-17T22:00", "10-18T00:00", "weekend"),
    ]
    alone = lines(calendar, "2026-10-16T12:00", 2, "mediation", "app1")
    assert {line.name.en for line in alone} == {"of a system"}


def test_one_systems_freeze_leaves_the_windows_of_all_open(calendar: Calendar) -> None:
    found = short(calendar, lines(calendar, "2026-10-24T12:00", 1))
    assert ("open", "10-24T22:00", "10-25T06:00", "weekend") in found
    assert ("closed", "10-24T20:00", "10-25T00:00", "of a system") in found


def test_what_is_called_open_is_what_is_open(calendar: Calendar) -> None:
    for system, host in (("mediation", None), ("legalservice", None), ("mediation", "app1"), (None, "legacy1")):
        scope = calendar.scope(system, host)
        begin = parse_moment("2026-10-01T12:00", calendar.zone)
        within = Span(begin, begin + timedelta(days=40))
        shown = {
            minute for line in agenda(calendar, scope, within) if line.kind == "open" for minute in edges(line.span)
        }
        assert {minute for span in calendar.openings(scope, within) for minute in edges(span)} <= shown


def edges(span: Span) -> set[object]:
    return {span.begin, span.end}


def test_a_year_without_data_is_one_line(calendar: Calendar) -> None:
    found = lines(calendar, "2199-01-01T00:00", 30)
    assert next(line.note for line in found if line.kind == "no data").startswith("no holiday data for 2199, and")
    assert not [line for line in found if line.kind in ("open", "holiday", "workday")]
