"""iCalendar, out and in: what comes back is what went out, and what cannot be expressed is refused as a whole."""

import contextlib
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import yaml

from tests.inventories import CALENDAR, InventoryCopy
from yunwei.calendar import export_calendar, import_events
from yunwei.errors import UsageError
from yunwei.policy import CalendarRules

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVENT = """UID:2
DTSTAMP:20260101T000000Z
DTSTART;TZID=China Standard Time:20261205T200000
DURATION:PT3H
RRULE:FREQ=WEEKLY;BYDAY=SA;UNTIL=20261226T115959Z
EXDATE;TZID=Asia/Shanghai:20261212T200000
SUMMARY:weekly
"""


def ics(*events: str) -> bytes:
    inner = "".join(f"BEGIN:VEVENT\n{event}END:VEVENT\n" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\n{inner}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def freezes(*events: str, zone: ZoneInfo = SHANGHAI) -> list[dict[str, Any]]:
    found = import_events(ics(*events), zone, "freeze")
    assert found["windows"] == []
    return found["freezes"]


def rules(folder: Path, name: str, extra: str = "") -> CalendarRules:
    copy = InventoryCopy(folder, name)
    if extra:
        copy.write("policy/calendar/extra.yml", extra)
    return copy.load().calendar


def entries(found: CalendarRules) -> list[dict[str, Any]]:
    return [rule.entry.model_dump() for rule in (*found.windows, *found.freezes)]


EXTRA = """windows:
  - name: {zh: "逗号, 分号; 反斜杠\\\\", en: "comma, semicolon; colon: backslash\\\\"}
    starts: 2026-01-10T22:00:30
    ends: 2026-01-11T06:00
    repeats: FREQ=WEEKLY;UNTIL=20271231;INTERVAL=2;BYDAY=SA,SU;WKST=MO
    without: [2026-01-24]
    systems: [exam, lawyers]
    hosts: [fl-app1]
    days: workdays
freezes:
  - {name: {zh: 全天, en: days}, starts: 2026-01-01, ends: 2026-01-03, repeats: FREQ=YEARLY;UNTIL=20300101,
     without: [2027-01-01]}
  - {name: {zh: 次数, en: counted}, starts: 2026-01-31, ends: 2026-01-31, repeats: FREQ=MONTHLY;COUNT=7;BYMONTHDAY=-1}
"""


@pytest.mark.parametrize("extra", ["", EXTRA], ids=["example", "odd"])
def test_what_went_out_comes_back(tmp_path: Path, extra: str) -> None:
    before = rules(tmp_path / "a", "example", extra)
    back = import_events(export_calendar(before, SHANGHAI, NOW), SHANGHAI, "freeze")
    again = InventoryCopy(tmp_path / "b", "example")
    for file in (again.folder / "policy/calendar").iterdir():
        file.unlink()
    again.write(CALENDAR, yaml.safe_dump(back))
    assert entries(again.load().calendar) == entries(before)


def test_the_file_is_what_other_programs_expect(tmp_path: Path) -> None:
    content = export_calendar(rules(tmp_path, "example", EXTRA), SHANGHAI, NOW)
    calendar = icalendar.Calendar.from_ical(content)
    events = calendar.walk("VEVENT")
    assert all(not event.errors and event.get("UID") and event.get("DTSTAMP") for event in events)
    assert len({str(event["UID"]) for event in events}) == len(events)
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Asia/Shanghai"]
    assert b"RRULE:FREQ=WEEKLY;UNTIL=20271231T155959Z;INTERVAL=2;BYDAY=SA,SU;WKST=MO" in content
    assert b"RRULE:FREQ=YEARLY;UNTIL=20300101\r\n" in content
    assert max(len(line) for line in content.split(b"\r\n")) <= 75


def test_a_foreign_event_becomes_a_freeze_in_local_time() -> None:
    assert freezes(EVENT) == [
        {
            "name": {"zh": "weekly", "en": "weekly"},
            "starts": "2026-12-05T20:00",
            "ends": "2026-12-05T23:00",
            "repeats": "FREQ=WEEKLY;BYDAY=SA;UNTIL=20261225",
            "without": ["2026-12-12"],
        }
    ]


def test_the_last_repetition_before_until_stays() -> None:
    (event,) = freezes(EVENT.replace("T115959Z", "T120000Z"))
    assert event["repeats"].endswith("UNTIL=20261226")


def test_a_moved_repetition_and_a_cancelled_one() -> None:
    moved = "UID:2\nRECURRENCE-ID:20261219T120000Z\nDTSTART:20261219T140000Z\nDTEND:20261219T150000Z\nSUMMARY:moved\n"
    gone = "UID:2\nRECURRENCE-ID:20261205T120000Z\nDTSTART:20261205T140000Z\nSTATUS:CANCELLED\nSUMMARY:gone\n"
    weekly, once = freezes(EVENT, moved, gone)
    assert weekly["without"] == ["2026-12-05", "2026-12-12", "2026-12-19"]
    assert (once["starts"], once["ends"]) == ("2026-12-19T22:00", "2026-12-19T23:00")


def test_whole_days_end_on_the_last_day_that_counts() -> None:
    days = "UID:1\nDTSTART;VALUE=DATE:20270301\nDTEND;VALUE=DATE:20270316\nSUMMARY:两会\\, 保障\n"
    (event,) = freezes(days)
    assert (event["starts"], event["ends"], event["name"]["zh"]) == ("2027-03-01", "2027-03-15", "两会, 保障")
    (event,) = freezes(days.replace("DTEND;VALUE=DATE:20270316\n", ""))
    assert (event["starts"], event["ends"]) == ("2027-03-01", "2027-03-01")


def test_only_a_marked_event_or_the_word_of_the_user_opens_anything() -> None:
    found = import_events(ics(EVENT), SHANGHAI, "window", ["mediation"], ["db1"])
    (window,) = found["windows"]
    assert (window["days"], window["systems"], window["hosts"]) == ("all", ["mediation"], ["db1"])
    assert found["freezes"] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("FREQ=WEEKLY", "FREQ=HOURLY", "FREQ=HOURLY"),
        ("RRULE:FREQ=WEEKLY;BYDAY=SA", "RRULE:FREQ=WEEKLY;BYDAY=SU", "leaves out its own first day"),
        ("RRULE:", "RRULE:FREQ=DAILY\nRRULE:", "several RRULEs"),
        ("RRULE:FREQ", "RRULE:FERQ", "RFC 5545"),
        ("DURATION:PT3H", "RDATE:20261207T000000Z", "it has RDATE"),
        ("DURATION:PT3H", "DURATION:PT0S", "no time at all"),
        ("DURATION:PT3H\n", "", "no time at all"),
        ("DURATION:PT3H", "DTEND;VALUE=DATE:20261206", "begin and end cannot be read"),
        ("DTSTART;TZID=China Standard Time:20261205T200000\n", "", "begin and end cannot be read"),
        ("20261205T200000", "20261205T990000", "DTSTART"),
        ("China Standard Time", "Nowhere/Land", "time zone 'Nowhere/Land', which is not known"),
        ("China Standard Time", "Europe/Berlin", "repeats by the clock of Europe/Berlin"),
        ("EXDATE;TZID=Asia/Shanghai:20261212T200000", "EXDATE:rubbish", "EXDATE cannot be read"),
        ("EXDATE;TZID=Asia/Shanghai:20261212T200000", "EXDATE;VALUE=DATE:20261212", "is a day where"),
        ("SUMMARY:weekly\n", "", "it has no SUMMARY"),
        ("SUMMARY:weekly", "SUMMARY:w\nX-YUNWEI-KIND:door", "X-YUNWEI-KIND is 'door'"),
        ("SUMMARY:weekly", "SUMMARY:w\nX-YUNWEI-KIND:window\nX-YUNWEI-DAYS:never", "all, workdays or rest_days"),
    ],
)
def test_what_policy_cannot_express_is_refused(old: str, new: str, said: str) -> None:
    assert old in EVENT
    with pytest.raises(UsageError) as refused:
        import_events(ics(EVENT, EVENT.replace(old, new)), SHANGHAI, "freeze")
    lines = str(refused.value).splitlines()
    assert lines[0] == "nothing was taken, because policy cannot express all of it:"
    assert len(lines) == 2
    assert lines[1].startswith("event 2 (")
    assert said in lines[1]


def test_a_change_of_all_later_repetitions_is_refused() -> None:
    later = "RECURRENCE-ID;RANGE=THISANDFUTURE:20261219T120000Z"
    moved = f"UID:2\n{later}\nDTSTART:20261219T140000Z\nDURATION:PT1H\nSUMMARY:later\n"
    with pytest.raises(UsageError, match="RECURRENCE-ID has RANGE"):
        freezes(EVENT, moved)


def test_names_cannot_steer_a_terminal() -> None:
    (event,) = freezes(EVENT.replace("SUMMARY:weekly", "SUMMARY:a\x1b]0;b\x07\\nc"))
    assert event["name"]["zh"] == "a ]0;b  c"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe" * 50,
        b"hello\r\n",
        b"BEGIN:VEVENT\r\nEND:VEVENT\r\n",
        ics(EVENT)[:-20],
        ics(EVENT)[: ics(EVENT).index(b"SUMMARY")],
        ics(EVENT).replace(b"END:VEVENT\r\n", b""),
        ics(EVENT) + b"BEGIN:VCALENDAR\r\n",
    ],
)
def test_what_is_no_whole_file_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"this is no (whole )?iCalendar file"):
        import_events(content, SHANGHAI, "freeze")


SPLINTERS = [b"", b":", b";", b"=", b"\r\n", b"\x00", b"\xff", b"99999999", b"00010101", b"T", b"Z", b"-1"]
SPLINTERS += [b"RECURRENCE-ID:x\r\n", b"EXDATE:20261212\r\n", b"RRULE:FREQ=DAILY\r\n", b";VALUE=DATE", b"PT99999999H"]


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_file_is_read_or_refused_and_never_a_crash(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same on every run
    moved = "UID:2\nRECURRENCE-ID:20261219T120000Z\nDTSTART:20261219T140000Z\nDTEND:20261219T150000Z\nSUMMARY:moved\n"
    content = bytearray(ics(EVENT, moved))
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(content))
        content[place : place + dice.choice([0, 1, 4, 8, 20])] = dice.choice(SPLINTERS)
    with contextlib.suppress(UsageError):
        import_events(bytes(content), SHANGHAI, "freeze")


def test_a_calendar_without_events_is_nothing() -> None:
    assert import_events(ics(), SHANGHAI, "freeze") == {"windows": [], "freezes": []}
