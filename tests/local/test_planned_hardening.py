"""The real playbook of hardening with a stored plan: on all its hosts as the plan says, or on none."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.approving import OFFICER, add_approvers
from tests.estates import Estate
from tests.harden_world import LOGIN_DEFS, World
from tests.inventories import CALENDAR
from yunwei import plans
from yunwei.paths import content_root

FIXTURES = content_root() / "tests/fixtures"
STAND_INS = FIXTURES / "hardening"
PLAYBOOK = content_root() / "playbooks/harden_servers.yml"
HOSTS = ("app1", "db1", "legacy1")


@dataclass
class Fleet:
    """Three hosts, folders all; app1 is changed first, and db1 serves both systems."""

    estate: Estate
    worlds: dict[str, World]
    keys: dict[str, Path]
    plan: Path

    def play(self, *words: str) -> tuple[str, int]:
        """Run the playbook; return how its record says that it ended."""
        done = self.estate.playbook(
            PLAYBOOK,
            *words,
            ANSIBLE_LIBRARY=f"{STAND_INS / 'library'}:{content_root() / 'library'}",
            ANSIBLE_ACTION_PLUGINS=f"{STAND_INS / 'action'}:{content_root() / 'plugins/action'}",
            TEST_ROOTS=str(self.worlds["app1"].root.parent),
        )
        run = self.estate.last_run()
        self.said = done.stdout + done.stderr + str(run["reason"])
        return run["status"], run["exit_code"]

    def make_plan(self) -> plans.Plan:
        assert self.play("--check") == ("done", 0), self.said
        plan = plans.make_plan(self.estate.last_run())
        plans.write_plan(plan, self.plan)
        return plan

    def approve(self) -> None:
        self.estate.yunwei("approve", str(self.plan), "--as", OFFICER, "--key", str(self.keys[OFFICER]))

    def carry_out(self, plan: Path | None = None) -> tuple[str, int]:
        return self.play("-e", f"yunwei_plan={plan or self.plan}")

    def changed(self) -> set[str]:
        return {name for name, world in self.worlds.items() if world.read("etc/login.defs") != LOGIN_DEFS}


@pytest.fixture
def fleet(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    monkeypatch.setenv("YUNWEI_STATE", str(estate.state))
    estate.inventory.edit("hosts.yml", "/usr/bin/python2.7", sys.executable)
    estate.inventory.write(CALENDAR, (FIXTURES / "always_open.yml").read_text(encoding="utf-8"))
    keys = add_approvers(estate.inventory, tmp_path, "[disruptive]")
    return Fleet(estate, {name: World(tmp_path / "roots" / name) for name in HOSTS}, keys, tmp_path / "plan.json")


def test_an_approved_plan_is_carried_out_on_every_host_and_no_other_plan_is(fleet: Fleet):
    plan = fleet.make_plan()
    assert {host: sorted(systems) for host, systems in plan.hosts.items()} == {
        "app1": ["mediation"],
        "db1": ["legalservice", "mediation"],
        "legacy1": ["legalservice"],
    }
    assert {row["status"] for row in plan.items} == {"would change"}
    assert fleet.carry_out() == ("refused", 3)
    assert "needs an approval by a second person" in fleet.said
    fleet.approve()
    edited = fleet.plan.with_name("edited.json")
    edited.write_text(fleet.plan.read_text().replace("becomes 90", "becomes 91"))
    assert fleet.carry_out(edited) == ("refused", 3)
    assert "was changed after it was made" in fleet.said
    assert fleet.changed() == set()
    assert fleet.carry_out() == ("done", 0), fleet.said
    assert fleet.changed() == set(HOSTS)
    run = fleet.estate.last_run()
    assert {permit["approval"]["by"] for permit in run["permits"]} == {OFFICER}
    rows = plans.item_rows(run["tasks"])
    assert [row["host"] for row in rows if row["status"] == "changed"] == list(HOSTS), "the look adds no rows"
    assert fleet.carry_out() == ("refused", 3)
    assert "one approval is for one run" in fleet.said


def test_a_host_that_is_not_as_planned_or_out_of_reach_keeps_all_from_being_changed(fleet: Fleet):
    fleet.make_plan()
    fleet.approve()
    fleet.worlds["legacy1"].write("etc/login.defs", LOGIN_DEFS.replace("99999", "60"))
    assert fleet.carry_out() == ("refused", 3)
    assert "legacy1 is not as it was when plan" in fleet.said
    assert fleet.changed() == {"legacy1"}
    fleet.worlds["legacy1"].write("etc/login.defs", LOGIN_DEFS)
    away = "ansible_connection: ssh\n          ansible_ssh_executable: /bin/false"
    fleet.estate.inventory.edit("hosts.yml", "        legacy1:\n", f"        legacy1:\n          {away}\n")
    assert fleet.carry_out() == ("refused", 3), fleet.said
    assert "legacy1: not as planned, or out of reach" in fleet.said
    assert fleet.changed() == set()
