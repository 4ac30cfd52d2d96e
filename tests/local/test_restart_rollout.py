"""The real playbook of restarts on hosts that say what a test made them say: its order, and every way around it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.approving import OFFICER, add_approvers
from tests.estates import Estate
from tests.inventories import ESTATE, LEGALSERVICE, MEDIATION
from yunwei import plans
from yunwei.paths import content_root

STAND_INS = content_root() / "tests/fixtures/restart"
WINDOW = (
    "windows:\n  - {name: {zh: 全天, en: Always}, starts: 2026-01-01T00:00, ends: 2026-01-02T00:00,"
    " repeats: FREQ=DAILY, days: all, hosts: [app1, db1, legacy1]}\n"
)
RULES = 'restart: {probes: [{host: app1, url: "http://127.0.0.1:8080/health", expect: ok}]}\n'
FREEZE = """freezes:
  - {name: {zh: 大会, en: Congress}, starts: 2026-01-01T00:00, ends: 2026-01-02T00:00, repeats: FREQ=DAILY}
"""
FIRST_DATABASES = "restart: {tiers: [database, application]}\n"
NEEDED = {"needs": [{"source": "flag", "reason": "asked for"}]}
AT_WORK = {"items": [{"item": "busy:x", "reason": "somebody", "status": "blocks"}]}


@dataclass
class Fleet:
    """Hosts app1, db1 and legacy1: db1 goes first and alone, the other two together."""

    estate: Estate
    folder: Path

    def play(self, hosts: dict[str, dict[str, Any]], *words: str, **variables: Any) -> tuple[str, int]:
        """Run the playbook; return how its record says that it ended."""
        (self.folder / "fleet.json").write_text(json.dumps({name: {} for name in ("app1", "db1", "legacy1")} | hosts))
        done = self.estate.playbook(
            content_root() / "playbooks/restart_servers.yml",
            "-e",
            json.dumps(variables),
            *words,
            ANSIBLE_LIBRARY=str(STAND_INS / "library"),
            ANSIBLE_ACTION_PLUGINS=f"{STAND_INS / 'action'}:{content_root() / 'plugins/action'}",
            TEST_HOST_RESTART=str(content_root() / "plugins/action/host_restart.py"),
            TEST_FLEET=str(self.folder),
        )
        run = self.estate.last_run()
        self.said = done.stdout + done.stderr + str(run["reason"])
        return run["status"], run["exit_code"]

    def done(self) -> list[str]:
        """Return what was done to the hosts, in order."""
        file = self.folder / "done"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def fleet(estate: Estate, tmp_path: Path) -> Fleet:
    copy = estate.inventory
    copy.edit("hosts.yml", "/usr/bin/python2.7", sys.executable)
    copy.edit(MEDIATION, RULES, FIRST_DATABASES)
    copy.edit(LEGALSERVICE, "services: []\n", FIRST_DATABASES + "services: []\n")
    copy.edit(ESTATE, "lock:\n", "restart: {canary: db1}\nlock:\n")
    copy.write("policy/calendar/restart_tests.yml", WINDOW)
    return Fleet(estate, tmp_path)


def test_hosts_go_down_batch_after_batch_and_each_is_proven(fleet: Fleet):
    hosts = {name: NEEDED for name in ("app1", "db1", "legacy1")}
    assert fleet.play(hosts) == ("done", 0), fleet.said
    found = fleet.done()
    assert found[:2] == ["down db1", "proven db1"]
    assert (set(found[2:4]), set(found[4:])) == ({"down app1", "down legacy1"}, {"proven app1", "proven legacy1"})


def test_a_host_that_is_refused_leaves_no_other_unproven_and_nothing_follows(fleet: Fleet):
    hosts = {name: NEEDED for name in ("app1", "db1", "legacy1")}
    assert fleet.play(hosts | {"app1": {**NEEDED, "refuses": "ops works here"}}) == ("refused", 3), fleet.said
    assert "ops works here" in fleet.said
    assert fleet.done() == ["down db1", "proven db1", "down legacy1", "proven legacy1"]


def test_a_host_that_is_left_drained_is_undrained_and_the_others_go(fleet: Fleet):
    drained = {**NEEDED, **AT_WORK, "pending": "not yet"}
    assert fleet.play({"app1": drained, "legacy1": NEEDED}) == ("refused", 3)
    assert "app1 needs a restart and was left: busy:x: somebody" in fleet.said
    assert fleet.done() == ["taken back app1", "down legacy1", "proven legacy1"]


def test_a_host_of_a_system_that_is_not_named_is_asked_and_its_need_is_told(fleet: Fleet):
    assert fleet.play({"db1": NEEDED}, yunwei_systems="mediation") == ("refused", 3)
    assert "db1 needs a restart and was left: serves legalservice as well" in fleet.said


def test_a_host_that_nobody_could_ask_is_no_success(fleet: Fleet):
    legacy = "        legacy1:\n          ansible_host: 198.51.100.77\n"
    fleet.estate.inventory.edit("hosts.yml", f"{legacy}          ansible_python_interpreter: {sys.executable}\n", "")
    production = "    production:\n      children:\n"
    others = f"    others:\n      hosts:\n{legacy}{production}        others:\n"
    fleet.estate.inventory.edit("hosts.yml", production, others)
    assert fleet.play({"app1": NEEDED}) == ("could not judge", 4), fleet.said
    assert "legacy1: could not judge: not in group sources" in fleet.said
    assert "proven app1" in fleet.done()


class TestStoredPlan:
    """What a second person approved is done in its order, or no host goes down."""

    NEEDED: ClassVar[dict[str, dict[str, Any]]] = {"db1": NEEDED, "app1": NEEDED}

    @pytest.fixture
    def key(self, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("YUNWEI_STATE", str(fleet.estate.state))
        return add_approvers(fleet.estate.inventory, tmp_path, "[disruptive]")[OFFICER]

    def make_plan(self, fleet: Fleet, hosts: dict[str, dict[str, Any]], **variables: Any) -> None:
        assert fleet.play(hosts, "--check", **variables) == ("done", 0), fleet.said
        plans.write_plan(plans.make_plan(fleet.estate.last_run()), fleet.folder / "plan.json")

    def approved(self, fleet: Fleet, key: Path, *words: str) -> dict[str, str]:
        """Have the plan approved; return the variables that carry it out."""
        file = str(fleet.folder / "plan.json")
        fleet.estate.yunwei("approve", file, "--as", OFFICER, "--key", str(key), *words)
        return {"yunwei_plan": file}

    def test_only_what_was_approved_is_done_and_whole(self, fleet: Fleet, key: Path):
        assert fleet.play(self.NEEDED) == ("refused", 3)
        assert "needs a plan that a second person has approved" in fleet.said
        self.make_plan(fleet, self.NEEDED)
        plan = self.approved(fleet, key)
        edited = fleet.folder / "edited.json"
        edited.write_text(Path(plan["yunwei_plan"]).read_text().replace("batch 2", "batch 1"))
        assert fleet.play(self.NEEDED, yunwei_plan=str(edited)) == ("refused", 3)
        assert "was changed after it was made" in fleet.said
        for now, others in (({"db1": NEEDED}, "app1"), ({**self.NEEDED, "legacy1": NEEDED}, "legacy1")):
            assert fleet.play(now, **plan) == ("refused", 3)
            assert f"{others}: not as planned, so nothing of plan" in fleet.said
        assert fleet.done() == []
        assert fleet.play(self.NEEDED, **plan) == ("done", 0), fleet.said
        assert fleet.done() == ["down db1", "proven db1", "down app1", "proven app1"]
        assert fleet.estate.last_run()["permits"][0]["approval"]["by"] == OFFICER

    def test_an_approved_emergency_passes_the_calendar_before_every_batch(self, fleet: Fleet, key: Path):
        fleet.estate.inventory.write("policy/calendar/restart_freeze.yml", FREEZE)
        self.make_plan(fleet, self.NEEDED)
        assert fleet.play(self.NEEDED, **self.approved(fleet, key)) == ("refused", 3)
        assert "Congress" in fleet.said
        assert fleet.done() == []
        plan = self.approved(fleet, key, "--emergency", "a disk controller is failing")
        assert fleet.play(self.NEEDED, **plan) == ("done", 0), fleet.said
        assert fleet.done() == ["down db1", "proven db1", "down app1", "proven app1"]

    def test_the_regular_restart_is_part_of_its_plan(self, fleet: Fleet, key: Path):
        self.make_plan(fleet, {}, yunwei_now=True)
        assert fleet.play({}, **self.approved(fleet, key)) == ("done", 0), fleet.said
        assert {line for line in fleet.done() if line.startswith("down")} == {"down db1", "down app1", "down legacy1"}


class TestVariables:
    """What somebody gives with -e replaces what the play found; nothing goes down for it."""

    WHOLE: ClassVar[dict[str, dict[str, Any]]] = {"db1": NEEDED, "app1": NEEDED, "legacy1": NEEDED}

    def refused(self, fleet: Fleet, words: str, hosts: dict[str, dict[str, Any]], **variables: Any) -> None:
        assert fleet.play(hosts, **variables) == ("refused", 3), fleet.said
        assert words in fleet.said

    def test_a_plan_of_one_s_own(self, fleet: Fleet):
        batch = {"number": 1, "hosts": ["app1"], "proving": ["app1"], "why": {}, "expected_seconds": 1}
        plan = {"batches": [batch], "left": {}, "unjudged": {}, "drained": []}
        self.refused(fleet, "it is not app1's turn", self.WHOLE, __server_restart_plan=plan)
        assert fleet.done() == []

    def test_answers_of_one_s_own(self, fleet: Fleet):
        blocked = {"app1": {**NEEDED, **AT_WORK}}
        free = {"yunwei": {**NEEDED, "items": [], "standby": False, "uptime_seconds": 1, "pending": None}}
        self.refused(fleet, "app1 needs a restart and was left", blocked, __server_restart_facts=free)
        assert fleet.done() == []

    def test_work_of_one_s_own(self, fleet: Fleet):
        unit = {"system": "mediation", "hosts": {"app1": {"host": "app1", "system": "mediation"}}, "left": {}}
        self.refused(fleet, "is not what the gate of run", self.WHOLE, __server_restart_unit=unit)
        assert fleet.done() == []
