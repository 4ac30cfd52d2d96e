"""The timers of the schedule on a host with a real systemd: they run, catch up, and are put back after any damage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from yunwei import policy
from yunwei.work.timers import scheduled

pytestmark = pytest.mark.lab

HOST = "backup1"  # stands for the controller, which is the machine under the lab
FOLDER = "/etc/systemd/system"
COMMAND = "/usr/local/bin/yunwei"
TOLD = "/run/yunwei-told"
NOTE = f'#!/bin/sh\necho "$(id -un) $YUNWEI_LOGIN_FILE $YUNWEI_STATE $*" >> {TOLD}\n'
STAMP = "/var/lib/systemd/timers/stamp-yunwei-sync-to-miyun-mediation.timer"
# What somebody did to a timer, and the job whose timer of the mediation system it was done to.
DAMAGE = {
    "back-up": f"sed -i 's/^OnCalendar=.*/OnCalendar=yearly/' {FOLDER}/yunwei-back-up-mediation.timer",
    "retire-backups": f"rm {FOLDER}/yunwei-retire-backups-mediation.timer",
    "inspect-backup-sites": "systemctl disable --now yunwei-inspect-backup-sites-mediation.timer",
    "sync-to-miyun": f"mkdir -p {FOLDER}/yunwei-sync-to-miyun-mediation.timer.d && printf '[Timer]\\nOnCalendar=\\n' "
    f"> {FOLDER}/yunwei-sync-to-miyun-mediation.timer.d/off.conf",
}
MASKED = "back-up-legalservice"


@pytest.fixture(scope="module", autouse=True)
def timers(lab: Any) -> Any:
    """Put a program that notes how it was called where policy says that yunwei is, and set the timers."""
    lab.podman(HOST, "sh", "-c", f"cat > {COMMAND} && chmod 0755 {COMMAND}", stdin=NOTE)
    lab.podman(HOST, "install", "-m", "0666", "/dev/null", TOLD)
    return lab.plain("set-timers")


def told(lab: Any) -> list[str]:
    return list(lab.podman(HOST, "cat", TOLD).stdout.splitlines())


def test_they_elapse_when_the_policys_schedules_are_due(lab: Any) -> None:
    known = policy.load(Path(lab.inventory))
    now = datetime.now(UTC)
    asked = [
        (f"yunwei-{job}-{system.id}.timer", min(one.next_due(now, known.estate.zone) for one in moments))
        for system in known.systems.values()
        for job, moments in scheduled(known, system).items()
    ]
    units = [unit for unit, _ in asked]
    shown = lab.podman(HOST, "systemctl", "show", "-p", "NextElapseUSecRealtime", "--value", "--timestamp=utc", *units)
    found = [line for line in shown.stdout.splitlines() if line]
    assert found == [moment.strftime("%a %Y-%m-%d %H:%M:%S UTC") for _, moment in asked]


def test_a_run_that_was_missed_is_made_up_for_by_policys_account_with_a_login_of_its_own(lab: Any) -> None:
    unit = "yunwei-sync-to-miyun-mediation"
    lab.podman(HOST, "systemctl", "stop", f"{unit}.timer")
    lab.podman(HOST, "touch", "-d", "2 days ago", STAMP)
    lab.podman(HOST, "sh", "-c", f": > {TOLD}")
    lab.podman(HOST, "systemctl", "start", f"{unit}.timer")
    # The start waits until the job that the timer has queued is done, or is none.
    lab.podman(HOST, "systemctl", "start", f"{unit}.service")
    first = told(lab)[0].split()
    assert first[:3] == ["ops", "/run/yunwei/logins/sync-to-miyun-mediation.json", "/var/lib/yunwei-runs"]
    place = ["--system", "mediation", "--inventory", "/etc/yunwei/inventory"]
    assert first[3:] == ["run", "sync-to-miyun", *place, "--json"]
    fired = lab.podman(HOST, "systemctl", "show", "-p", "LastTriggerUSec", "--value", f"{unit}.timer").stdout
    assert fired.strip() not in ("", "n/a", "0")


def test_damage_of_every_kind_is_found_by_the_proof_and_put_back_by_the_next_run(lab: Any) -> None:
    for damage in DAMAGE.values():
        lab.podman(HOST, "sh", "-c", damage)
    masked = f"{FOLDER}/yunwei-{MASKED}.service"
    lab.podman(HOST, "ln", "-sf", "/dev/null", masked)
    left = f"{FOLDER}/yunwei-back-up-gone.timer"
    lab.podman(HOST, "cp", f"{FOLDER}/yunwei-back-up-mediation.timer", left)
    own = f"{FOLDER}/yunwei-of-somebody.timer"
    lab.podman(HOST, "tee", own, stdin="[Timer]\nOnCalendar=yearly\n")
    lab.podman(HOST, "systemctl", "daemon-reload")
    broken = lab.json("verify", "set-timers", expect=1)
    failed = {finding["test"] for finding in broken["not_passed"]}
    assert {test for test in failed if MASKED in test or "no_other_timer" in test}
    assert all(any(f"yunwei-{job}-mediation" in test for test in failed) for job in DAMAGE), failed
    planned = {item["item"]: item["status"] for item in lab.json("plan", "set-timers")["items"]}
    assert planned["yunwei-retire-backups-mediation"] == "missing"
    assert planned["yunwei-back-up-gone"] == "no longer in policy"
    assert lab.podman(HOST, "test", "-e", f"{FOLDER}/yunwei-retire-backups-mediation.timer", check=False).returncode
    repaired = lab.json("run", "set-timers")
    assert repaired["verification"]["verdict"] == "passed"
    different = {item["item"] for item in repaired["items"] if item["status"] != "as wanted"}
    assert different == {f"yunwei-{job}-mediation" for job in DAMAGE} | {f"yunwei-{MASKED}", "yunwei-back-up-gone"}
    assert lab.podman(HOST, "sh", "-c", f"cat {FOLDER}/*.timer.d/off.conf.put-aside-*").stdout.startswith("[Timer]")
    assert lab.podman(HOST, "cat", own).stdout
    lab.podman(HOST, "rm", own)


def test_a_run_that_could_not_be_judged_reaches_people(lab: Any) -> None:
    program = """#!/bin/sh\necho '{"run_id": "r-1", "reason": "suspicious"}'\nexit 4\n"""
    lab.podman(HOST, "sh", "-c", f"cat > {COMMAND}", stdin=program)
    unit = "yunwei-back-up-mediation.service"
    assert lab.podman(HOST, "systemctl", "start", unit, check=False).returncode
    told_last = json.loads(lab.podman(HOST, "tail", "-n", "1", "/var/log/yunwei-alerts.jsonl").stdout)
    found = [told_last[name] for name in ("job", "system", "kind", "run", "reason")]
    assert found == ["back-up", "mediation", "unjudged", "r-1", "suspicious"]
    lab.podman(HOST, "systemctl", "reset-failed", unit)
