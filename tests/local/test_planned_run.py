"""The real playbook of a job that needs an approved plan, under plain ansible-playbook, and every way around it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.approving import OFFICER, add_approvers
from tests.estates import FIXTURES, Estate
from tests.inventories import MEDIATION
from yunwei import gate, plans, session
from yunwei.paths import content_root

PLAYBOOK = content_root() / "playbooks" / "clean_logs.yml"
MINE = ("-e", "yunwei_systems=mediation")
ARCHIVE_AWAY = "app1: Archive the planned files: failed"
RULES = {"app1": "/var/log/mediation", "db1": "/var/log/postgresql"}


@dataclass
class Ground:
    """Two hosts, this machine both, with an old log file in a folder each, and the keys of two approvers."""

    estate: Estate
    keys: dict[str, Path]
    places: dict[str, Path]
    plan: Path

    def yunwei(self, *words: str, expect: int = 0) -> str:
        done = self.estate.yunwei(*words, expect=expect)
        return done.stdout + done.stderr

    def make_plan(self) -> None:
        self.yunwei("plan", "clean-logs", "--system", "mediation", "-o", str(self.plan))

    def play(self, *words: str, playbook: Path = PLAYBOOK, may_end_well: bool = False) -> str:
        """Run a playbook, which must fail unless it `may_end_well`, and return what it printed."""
        done = self.estate.playbook(playbook, *words)
        assert done.returncode != 0 or may_end_well, done.stdout + done.stderr
        return done.stdout + done.stderr

    def approve(self, *words: str, name: str = OFFICER, expect: int = 0) -> str:
        key = str(self.keys[name])
        return self.yunwei("approve", str(self.plan), "--as", name, "--key", key, *words, expect=expect)

    def logs(self) -> dict[str, list[str]]:
        return {host: sorted(os.listdir(place)) for host, place in self.places.items()}

    def last(self) -> tuple[str, int, str]:
        run = self.estate.last_run()
        return run["status"], run["exit_code"], str(run["reason"])


@pytest.fixture
def ground(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setenv("YUNWEI_STATE", str(estate.state))
    places = {host: tmp_path / f"logs-{host}" for host in RULES}
    old = time.time() - 60 * 86400
    for host, place in places.items():
        place.mkdir(mode=0o755)
        (place / "a.log.1").write_text("line\n")
        os.utime(place / "a.log.1", (old, old))
        estate.inventory.edit(MEDIATION, f"path: {RULES[host]}\n", f"path: {place}\n")
    estate.inventory.edit(MEDIATION, "    account: postgres\n", "")
    # The backup server is out of reach: what passes the gate must not write to this machine's own folders.
    away = "ansible_connection: ssh\n          ansible_ssh_executable: /bin/false"
    estate.inventory.edit("hosts.yml", "backup1:\n", f"backup1:\n          {away}\n")
    keys = add_approvers(estate.inventory, tmp_path)
    return Ground(estate, keys, places, tmp_path / "plan.json")


def test_a_plan_that_was_approved_by_another_person_is_carried_out_and_no_other(ground: Ground):
    """The backup server is out of reach, so the run ends at the archive: past the gate, with nothing removed."""
    ground.make_plan()
    before = ground.logs()
    plan = plans.read_plan(ground.plan)
    assert (sorted(plan.hosts), plan.requested_by) == (["app1", "db1"], "userpass:engineer")
    assert {row["item"].rsplit("/", 1)[1] for row in plan.items} == {"a.log.1"}
    words = ("run", "clean-logs", "--plan", str(ground.plan))
    ground.approve(name="engineer-post", expect=3)
    assert "REFUSED" in ground.play("-e", f"yunwei_plan={ground.plan}")
    ground.approve()
    changed = ground.plan.with_name("changed.json")
    changed.write_text(ground.plan.read_text().replace("a.log.1", "b.log.1"))
    assert "was changed after it was made" in ground.yunwei(*words[:3], str(changed), expect=3)
    ground.yunwei(*words, expect=1)
    assert ground.last()[2].splitlines()[0] == ARCHIVE_AWAY
    run = ground.estate.last_run()
    assert run["permits"][0]["plan"]["sha256"] == plan.sha256
    assert run["permits"][0]["approval"]["by"] == OFFICER
    assert "one approval is for one run" in ground.yunwei(*words, expect=3)
    assert ground.logs() == before


def test_a_host_that_is_not_as_planned_keeps_the_others_from_being_changed(ground: Ground):
    ground.make_plan()
    ground.approve()
    newer = ground.places["db1"] / "b.log.1"
    newer.write_text("x")
    os.utime(newer, (time.time() - 90 * 86400,) * 2)
    said = ground.yunwei("run", "clean-logs", "--plan", str(ground.plan), expect=3)
    assert "db1 is not as it was when plan" in said
    status, code, _ = ground.last()
    assert (status, code) == ("refused", 3)
    tasks = {task["task"].rpartition(" : ")[2] for task in ground.estate.last_run()["tasks"]}
    assert "Go on only when every host is as planned" in tasks
    assert not tasks & {"Archive the planned files", "Retire the archived files"}


def test_no_way_of_starting_the_playbook_leads_around_the_gate(ground: Ground):
    ground.make_plan()
    ground.approve()
    plan = ("-e", f"yunwei_plan={ground.plan}")
    before = ground.logs()
    assert "needs a plan that a second person has approved" in ground.play(*MINE)
    assert "also has db1, which this play leaves out" in ground.play(*plan, "--limit", "app1")
    for words in (("--start-at-task", "Archive what is old, then retire it"), ("--tags", "x")):
        ground.play(*plan, *words, may_end_well="tags" in words[0])
        assert "Retire the archived files" not in {task["task"] for task in ground.estate.last_run()["tasks"]}
    assert ground.logs() == before


def test_a_permit_of_one_s_own_making_is_refused(ground: Ground):
    opened = session.open_session(
        session.Intent("r-forger", "clean-logs", "", (ground.estate.inventory.folder,), False)
    )
    found = gate.open_gate(gate.Request("clean-logs", ["mediation"], check=True, hosts=list(RULES)), opened)
    opened.close()
    forged = {**found["permit"], "check": False, "locks": {"mediation": 99}, "lock_series": {"mediation": "x"}}
    before = ground.logs()
    own = json.dumps({"forged_permit": forged, "forged_work": found["work"]})
    assert "this permit was not issued by the gate" in ground.play("-e", own, playbook=FIXTURES / "take_role.yml")
    ground.make_plan()
    ground.approve()
    plan = json.dumps({"yunwei_plan": str(ground.plan), "log_cleanup_permit": forged})
    assert "this permit was not issued by the gate" in ground.play("-e", plan)
    found["work"]["mediation"]["rules"]["app1"][0]["path"] = str(ground.places["db1"])
    work = json.dumps({"yunwei_plan": str(ground.plan), "log_cleanup_work": found["work"]})
    assert "is not what the gate of run" in ground.play("-e", work)
    assert ground.logs() == before
    assert ground.last()[:2] == ("refused", 3)
