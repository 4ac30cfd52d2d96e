"""Retirement on real hosts: locally by the job, at the second site by its own administrator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest

from tests.lab.conftest import BIN, Lab
from tests.lab.test_back_up import NOW, SYSTEM, assert_clean, records
from tests.lab.test_sync import SYNC, far_snapshots
from yunwei.lab import inventory
from yunwei.lab.topology import Slot
from yunwei.paths import content_root

pytestmark = [pytest.mark.lab, pytest.mark.long]

RETIRE = ("run", "retire-backups", "--system", SYSTEM)


@pytest.fixture(scope="module")
def many(lab):
    """Five proven backups of each item on one day: policy keeps three of them, whatever else."""
    for _ in range(5):
        lab.json(*NOW)
    lab.json(*SYNC)
    return records(lab)


def test_a_plan_says_what_would_go_and_the_run_removes_exactly_that(lab, many):
    planned = lab.json("plan", *RETIRE[1:])
    assert {item["status"] for item in planned["items"]} == {"would remove"}
    assert len(records(lab)) == len(many)
    done = lab.json(*RETIRE)
    gone = {item["record"] for item in done["items"]}
    assert gone == {item["record"] for item in planned["items"]}
    assert {one["record_id"] for one in records(lab)} == {one["record_id"] for one in many} - gone
    assert done["verification"]["verdict"] == "passed"
    assert_clean(lab)
    assert lab.json(*RETIRE)["items"] == []


def test_what_is_not_at_the_second_site_stays(lab, many):
    for _ in range(5):
        lab.json(*NOW)
    unproven = {one["record_id"] for one in records(lab) if not one["sync"]}
    assert len(unproven) == 10
    done = lab.json(*RETIRE)
    assert not {item["record"] for item in done["items"]} & unproven
    assert unproven <= {one["record_id"] for one in records(lab)}


def test_without_a_permission_nothing_runs(lab, tmp_path):
    other = tmp_path / "inventory"
    shutil.copytree(lab.inventory, other)
    policy = other / "policy" / "systems" / f"{SYSTEM}.yml"
    policy.write_text(policy.read_text().replace("expires: 2027-12-31", "expires: 2020-01-01"))
    done = lab.run(*RETIRE, "-i", str(other), "--json")
    assert done.returncode in (2, 3), done.stdout
    assert "2020-01-01" in done.stdout + done.stderr


def _at_miyun(lab: Lab, *words: str) -> list[dict[str, Any]]:
    hosts = inventory.miyun_admin_dir(Slot(lab.slot)) / "hosts.yml"
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(hosts), "playbooks/retire_at_miyun.yml", *words],
        cwd=content_root(),
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        },
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line.split("=> ", 2)[-1] for line in done.stdout.splitlines() if '"yunwei"' in line]
    return [json.loads(text)["yunwei"] for text in found if text.startswith("{")]


def test_the_second_site_retires_by_its_own_rules(lab):
    lab.json(*NOW)
    lab.json(*SYNC)
    rules = {
        "miyun_retention_keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0},
    }
    before = far_snapshots(lab)
    planned = _at_miyun(lab, "--check", "-v", "-e", json.dumps(rules))
    assert far_snapshots(lab) == before
    done = _at_miyun(lab, "-v", "-e", json.dumps(rules))
    (plan,) = [one for one in planned if one["system"] == SYSTEM]
    (result,) = [one for one in done if one["system"] == SYSTEM]
    assert {item["record"] for item in result["items"]} == {item["record"] for item in plan["items"]}
    assert {item["status"] for item in result["items"]} == {"removed"}
    assert result["quarantined"] == []
    newest = [one["sync"]["miyun"]["manifest"] for one in sorted(records(lab), key=lambda one: one["accepted_at"])[-1:]]
    assert set(newest) <= far_snapshots(lab)
    owners = lab.podman("miyun1", "find", f"/srv/miyun/{SYSTEM}", "!", "-user", "miyun-append").stdout
    assert owners == ""
    again = lab.json(*SYNC)
    assert {item["status"] for item in again["items"]} <= {"retired there"}
    lab.json("backups", "verify", "--site", "miyun", "--all", "--system", SYSTEM)
