"""A set of timers as units of systemd and as a file of cron: what is written, and what a hostile word cannot do."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from yunwei_timers import cron, crontab, files, units
from yunwei_timers.faults import TimerError

DAILY = {"every": "day", "day": None, "at": "01:30"}


def work(*moments: dict[str, Any], **more: Any) -> dict[str, Any]:
    timer = {"name": "back-up-mediation", "description": "Back up", "command": ["/opt/yunwei/bin/yunwei", "run"]}
    timer.update(user="yunwei", environment={}, moments=list(moments) or [DAILY], spread_seconds=900, confine=None)
    return {"set": "schedule", "timezone": "Asia/Shanghai", "timers": [{**timer, **more}]}


def test_missed_runs_catch_up_and_every_moment_is_in_the_estates_zone() -> None:
    timer = units.unit_files(work(DAILY, {**DAILY, "at": "02:00"}))["yunwei-back-up-mediation.timer"]
    assert "OnCalendar=*-*-* 01:30:00 Asia/Shanghai\nOnCalendar=*-*-* 02:00:00 Asia/Shanghai\n" in timer
    assert "\nPersistent=true\n" in timer
    assert timer.startswith(units.mark("schedule") + "\n")


def test_a_confined_service_writes_only_what_it_is_given() -> None:
    service = units.unit_files(work(confine=["/var/lib/x"]))["yunwei-back-up-mediation.service"]
    assert "\nProtectSystem=strict\nReadWritePaths=/var/lib/x\n" in service


def test_words_reach_the_program_as_they_are() -> None:
    service = units.unit_files(
        work(command=["/bin/echo", 'a "b" $HOME %h \\'], environment={"A": "$1 %i"}, description="100 %")
    )["yunwei-back-up-mediation.service"]
    assert '\nExecStart=/bin/echo "a \\"b\\" $$HOME %%h \\\\"\n' in service
    assert '\nEnvironment="A=$1 %%i"\n' in service
    assert "\nDescription=100 %%\n" in service


@pytest.mark.parametrize("render", [units.unit_files, crontab.crontab_file])
def test_a_word_that_would_begin_a_line_of_its_own_is_refused(render: Any) -> None:
    with pytest.raises(TimerError, match="control character"):
        render(work(command=["/bin/echo", "a\nExecStartPost=/bin/sh"]))


@pytest.mark.parametrize(
    ("moment", "systemd", "lines"),
    [
        ({"every": "minutes", "count": 10}, ["*:0/10"], ["*/10 * * * *"]),
        (DAILY, ["*-*-* 01:30:00 UTC"], ["30 1 * * *"]),
        ({"every": "week", "day": "sunday", "at": "23:05"}, ["Sun *-*-* 23:05:00 UTC"], ["5 23 * * 0"]),
        ({"every": "month", "day": 1, "at": "08:00"}, ["*-*-01 08:00:00 UTC"], ["0 8 1 * *"]),
        ({"every": "month", "day": 31, "at": "08:00"}, ["*-*~01 08:00:00 UTC"], ["0 8 28-31 * * LAST"]),
        (
            {"every": "month", "day": 30, "at": "08:00"},
            ["*-01,03..12-30 08:00:00 UTC", "*-02~01 08:00:00 UTC"],
            ["0 8 30 1,3-12 *", "0 8 28-29 2 * LAST"],
        ),
        ({"every": "quarter", "day": 2, "at": "08:00"}, ["*-01,04,07,10-02 08:00:00 UTC"], ["0 8 2 1,4,7,10 *"]),
        (
            {"every": "quarter", "day": "last", "at": "08:00"},
            ["*-03,06,09,12~01 08:00:00 UTC"],
            ["0 8 28-31 3,6,9,12 * LAST"],
        ),
    ],
)
def test_moments(moment: dict[str, Any], systemd: list[str], lines: list[str]) -> None:
    assert units.on_calendar(moment, "UTC") == systemd
    written = crontab.crontab_file(work(moment))[1].replace(crontab._LAST_DAY, "LAST ").splitlines()[4:]
    guarded = [line.split(" yunwei ")[0] + (" LAST" if " LAST " in line else "") for line in written]
    assert guarded == lines + ([] if moment["every"] == "minutes" else ["@reboot"])


def test_a_line_of_cron_runs_its_command_with_its_words(tmp_path: Any) -> None:
    """As cron does: a backslash before a percent sign is taken away, the rest is the shell's."""
    told = tmp_path / "told"
    body = 'printf "%s|" "$A" "$1" "$2" > "$0"'
    words = ["/bin/sh", "-c", body, str(told), "it's 100 %", "b c"]
    text = crontab.crontab_file(work(command=words, environment={"A": "x y"}))[1]
    line = text.splitlines()[4].removeprefix("30 1 * * * yunwei ").replace("\\%", "%")
    subprocess.run(["/bin/sh", "-c", line.replace("| logger -t yunwei-back-up-mediation", "")], check=True)
    assert told.read_text() == "x y|it's 100 %|b c|"


def test_cron_is_refused_where_it_would_read_another_zone_and_repairs_its_file(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(cron, "FOLDER", str(tmp_path))
    monkeypatch.setattr(cron, "LOCALTIME", "/usr/share/zoneinfo/UTC")
    wanted = {**work(), "timezone": "Etc/UTC"}
    with pytest.raises(TimerError, match="which is not Asia/Shanghai"):
        cron.apply(work(), cron.plan(work()))
    assert [line["status"] for line in cron.plan(wanted)] == ["missing"]
    cron.apply(wanted, cron.plan(wanted))
    assert [line["status"] for line in cron.plan(wanted)] == ["as wanted"]
    (tmp_path / "yunwei-schedule").write_text("# 30 1 * * *\n")
    assert cron.plan(wanted)[0]["reason"] == f"{tmp_path}/yunwei-schedule was changed"
    cron.apply(wanted, cron.plan(wanted))
    assert files.differences(str(tmp_path), *crontab.crontab_file(wanted)) == []
