"""Plans that a second person approved, carried out on real hosts: removal of logs, early release of backups."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.approving import OFFICER, make_key
from tests.lab.conftest import Lab

pytestmark = pytest.mark.lab

PLACE = "/var/log/mediation"
KEEP = "keep: {last: 3, daily: 14, weekly: 8, monthly: 12}"
APPROVERS = """
approvals:
  approvers:
    - {name: %s, identities: ["userpass:officer"], public_key: "%s"}
"""


@dataclass(frozen=True)
class Guarded:
    """The lab with an inventory whose mediation is marked, the officer's key, and where plans lie."""

    lab: Lab
    key: Path
    plan: Path

    def approve(self) -> None:
        self.lab.json("approve", str(self.plan), "--as", OFFICER, "--key", str(self.key))


@pytest.fixture
def guarded(lab: Lab, tmp_path: Path) -> Guarded:
    inventory = tmp_path / "inventory"
    shutil.copytree(lab.inventory, inventory)
    key, public = make_key(tmp_path, OFFICER)
    _edit(inventory / "policy/estate.yml", lambda text: text + APPROVERS % (OFFICER, public))
    _edit(
        inventory / "policy/systems/mediation.yml",
        lambda text: text.replace(KEEP, "keep: {last: 1}", 1) + "\nneeds_approval: [clean-logs]\n",
    )
    return Guarded(replace(lab, inventory=inventory), key, tmp_path / "plan.json")


def _edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def test_logs_are_removed_by_an_approved_plan_and_only_by_it(guarded: Guarded):
    lab = guarded.lab
    old = f"cd {PLACE}; echo x > planned.log.1; touch -d '80 days ago' planned.log.1; chown --reference=. planned.log.1"
    lab.podman("app1", "sh", "-c", old)
    lab.json("plan", "clean-logs", "--system", "mediation", "-o", str(guarded.plan))
    plain = ("-e", json.dumps({"yunwei_plan": str(guarded.plan)}))
    refused = lab.playbook("clean_logs", *plain)
    assert refused.returncode == 2
    assert "REFUSED: clean-logs on mediation needs an approval by a second person" in refused.stdout
    guarded.approve()
    done = lab.playbook("clean_logs", *plain)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.podman("app1", "sh", "-c", f"ls {PLACE}/planned.log.1", check=False).returncode != 0
    run = lab.json("evidence", "list")[-1]["id"]
    assert lab.json("evidence", "show", run)["permits"][0]["approval"]["by"] == OFFICER
    again = lab.json("run", "clean-logs", "--plan", str(guarded.plan), expect=3)
    assert "one approval is for one run" in again["reason"]


def test_a_backup_that_the_second_site_has_not_proven_goes_only_by_an_approved_release(guarded: Guarded):
    lab = guarded.lab
    for _ in range(2):
        lab.plain("back-up", ["mediation"], now=True)
    unproven = _of_the_database(lab)[-2]
    before = _records(lab)
    words = ("--system", "mediation", "--record", unproven, "--reason", "the second site is away")
    planned = lab.json("backups", "release", *words, "-o", str(guarded.plan))
    assert _going(planned, "would remove") == [unproven]
    lab.json("run", "retire-backups", "--plan", str(guarded.plan), expect=3)
    assert _records(lab) == before
    guarded.approve()
    done = lab.json("run", "retire-backups", "--plan", str(guarded.plan))
    assert _going(done, "removed") == [unproven]
    assert _records(lab) == before - {f"{unproven}.json"}


def _going(document: dict[str, Any], status: str) -> list[str]:
    return [row["record"] for row in document["items"] if row["status"] == status]


def _records(lab: Lab) -> set[str]:
    """Return the files of the system's records."""
    found = lab.podman("backup1", "ls", "/srv/backup/mediation/records").stdout.split()
    return {name for name in found if name.endswith(".json")}


def _of_the_database(lab: Lab) -> list[str]:
    """Return the records of the database's backups, oldest first."""
    listed = lab.plain("list-backups", ["mediation"])["items"]
    ours = [one for one in listed if one["item"] == "database:mediation"]
    return [one["record"] for one in sorted(ours, key=lambda one: one["snapshot_at"])]
