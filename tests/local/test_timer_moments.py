"""What systemd makes of a timer's calendar lines is what the policy's schedule means, over years and leap days."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from yunwei_timers import units

from yunwei.policy.schedule import Schedule

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
COUNT = 30
SCHEDULES: list[tuple[str, Any]] = [
    ("day", None),
    ("week", "monday"),
    ("week", "sunday"),
    *[("month", day) for day in (1, 28, 29, 30, 31, "last")],
    *[("quarter", day) for day in (1, 30, 31, "last")],
]


def elapses(line: str) -> list[datetime]:
    """Return the next moments of a calendar line, as systemd itself computes them."""
    command = [
        "systemd-analyze",
        "calendar",
        f"--iterations={COUNT}",
        f"--base-time={BEGIN:%Y-%m-%d %H:%M:%S} UTC",
        line,
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"}).stdout
    found = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", shown)
    return [datetime.strptime(one, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) for one in found]


@pytest.mark.parametrize(("every", "day"), SCHEDULES)
def test_systemd_elapses_when_the_schedule_is_due(every: Any, day: Any) -> None:
    schedule = Schedule(every=every, day=day, at="01:30")
    moment = {"every": every, "day": day, "at": "01:30"}
    lines = units.on_calendar(moment, "Asia/Shanghai")
    found = sorted({moment for line in lines for moment in elapses(line)})[:COUNT]
    wanted, now = [], BEGIN
    for _ in range(COUNT):
        now = schedule.next_due(now, ZoneInfo("Asia/Shanghai"))
        wanted.append(now)
    assert found == wanted
