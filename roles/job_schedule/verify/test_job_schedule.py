"""Every timer of the policy is there as policy wants it, in force, and no other; logins can only lie in memory."""

import json
import os
import re
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.work.timers import timers_work
from yunwei.work.watch import watch_rules

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
WANTED = {f"yunwei-{timer['name']}": timer for name in POLICY.systems for timer in timers_work(POLICY, name)["timers"]}
TIMERS = POLICY.estate.timers
FOLDER = "/etc/systemd/system"
DAYS = {"day": r"\*-\*-\*", "week": "[A-Z][a-z]{2} .*", "month": r"\*-.*", "quarter": r"\*-.*"}


@pytest.fixture(scope="module")
def shown(host):
    """Return what systemd says of every unit of the schedule; None where there is no systemd."""
    if not host.file("/run/systemd/system").is_directory:
        return None
    units = [f"{name}.{kind}" for name in WANTED for kind in ("timer", "service")]
    asked = "Id,UnitFileState,ActiveState,FragmentPath,DropInPaths,NeedDaemonReload,User"
    blocks = host.check_output(f"systemctl show -p {asked} {' '.join(units)}").split("\n\n")
    found = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return {one["Id"]: one for one in found}


def cron_lines(host):
    """Return the lines of the schedule's own file of cron, which is root's alone."""
    file = host.file("/etc/cron.d/yunwei-schedule")
    assert (file.user, file.group, file.mode, file.is_symlink) == ("root", "root", 0o644, False)
    return file.content_string.splitlines()


@pytest.mark.parametrize("name", WANTED)
def test_the_timer_is_on_and_nothing_changes_it(host, shown, name):
    if shown is None:
        assert any(f" {' '.join(WANTED[name]['command'])} 2>&1" in line for line in cron_lines(host))
        return
    timer = shown[f"{name}.timer"]
    assert (timer["UnitFileState"], timer["ActiveState"]) == ("enabled", "active")
    for kind in ("timer", "service"):
        unit = shown[f"{name}.{kind}"]
        assert unit["FragmentPath"] == f"{FOLDER}/{name}.{kind}"
        assert f"/{name}.{kind}.d/" not in unit.get("DropInPaths", "")
        assert unit["NeedDaemonReload"] == "no"
        file = host.file(f"{FOLDER}/{name}.{kind}")
        assert (file.user, file.group, file.mode, file.is_symlink) == ("root", "root", 0o644, False)


@pytest.mark.parametrize("name", WANTED)
def test_it_runs_its_job_when_policy_says_and_catches_up(host, shown, name):
    command, times = " ".join(WANTED[name]["command"]), {moment["at"] for moment in WANTED[name]["moments"]}
    if shown is None:
        fields = [line.split() for line in cron_lines(host) if f" {command} 2>&1" in line]
        assert {f"{int(one[1]):02}:{int(one[0]):02}" for one in fields if one[0] != "@reboot"} == times
        assert "@reboot" in {one[0] for one in fields}
        return
    text = host.file(f"{FOLDER}/{name}.timer").content_string
    calendar = [line.partition("=")[2] for line in text.splitlines() if line.startswith("OnCalendar=")]
    for moment in WANTED[name]["moments"]:
        pattern = rf"{DAYS[moment['every']]} {moment['at']}:00 {re.escape(POLICY.estate.timezone)}"
        assert any(re.fullmatch(pattern, line) for line in calendar), calendar
    assert {line.split()[-2].removesuffix(":00") for line in calendar} == times
    assert "\nPersistent=true\n" in text
    service = host.file(f"{FOLDER}/{name}.service").content_string.splitlines()
    assert [line for line in service if line.startswith("Exec")] == [f"ExecStart={command}"]
    for variable, value in WANTED[name]["environment"].items():
        assert f"Environment={variable}={value}" in service
    assert shown[f"{name}.service"]["User"] == TIMERS.user


@pytest.mark.skipif(POLICY.estate.alerts is None, reason="policy has no alerts")
def test_people_are_told_of_runs_that_do_not_end_well(host, shown):
    for name in (
        "",
        "/yunwei_tell.py",
        "/watch_telling.py",
        "/watch_judge.py",
        "/watch_words.py",
        "/watch_channels.py",
    ):
        found = host.file(f"/usr/libexec/yunwei-tell{name}")
        assert (found.user, found.group, found.mode & 0o022) == ("root", "root", 0)
    assert json.loads(host.file("/etc/yunwei-tell/rules.json").content_string) == watch_rules(POLICY)
    with host.sudo():
        marks = host.file("/var/lib/yunwei-tell/runs")
        assert (marks.user, marks.mode) == (TIMERS.user, 0o700)
    if shown is None:
        assert "/usr/libexec/yunwei-tell/yunwei_tell.py" in host.file("/etc/cron.d/yunwei-tell").content_string
        return
    timer = host.check_output("systemctl show -p UnitFileState,ActiveState,FragmentPath yunwei-tell.timer")
    wanted = {"UnitFileState=enabled", "ActiveState=active", f"FragmentPath={FOLDER}/yunwei-tell.timer"}
    assert set(timer.splitlines()) == wanted


def test_no_other_timer_of_the_schedule_is_there(host, shown):
    found = host.run(f"grep -lF '# Made by yunwei, set schedule: ' {FOLDER}/yunwei-*.timer").stdout.split()
    assert sorted(found) == ([] if shown is None else sorted(f"{FOLDER}/{name}.timer" for name in WANTED))


def test_logins_can_only_lie_in_memory_and_are_their_owner_s_alone(host):
    with host.sudo():
        folder = host.file(TIMERS.logins)
        assert (folder.user, folder.mode) == (TIMERS.user, 0o700)
        assert host.check_output(f"stat -f -c %T {TIMERS.logins}") in ("tmpfs", "ramfs")
        wrong = host.check_output(f"find {TIMERS.logins} -type f '(' ! -perm 600 -o ! -user {TIMERS.user} ')'")
    assert wrong == ""
