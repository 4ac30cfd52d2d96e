"""What holds for every run, through the wrapper and through plain ansible-playbook alike."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.lab.conftest import BIN
from yunwei import ledger
from yunwei.lab import vaultserver
from yunwei.lab.topology import Slot
from yunwei.paths import content_root

pytestmark = pytest.mark.lab


def _logins(lab) -> int:
    lines = vaultserver.audit_log(Slot(lab.slot)).read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return sum(
        1 for one in entries if one["type"] == "response" and one["request"]["path"].startswith("auth/userpass/login")
    )


def _records(lab) -> str:
    return lab.podman("backup1", "sh", "-c", "find /srv/backup -name '*.json' | sort").stdout


def test_a_plan_changes_nothing_and_json_is_one_document(lab):
    before = _records(lab)
    planned = lab.json("plan", "back-up", "--now", "--system", "legalservice")
    assert {item["status"] for item in planned["items"]} == {"would back up"}
    assert _records(lab) == before


def test_a_run_logs_in_once_is_signed_and_proven(lab):
    before = _logins(lab)
    done = lab.json("run", "back-up", "--now", "--system", "legalservice")
    assert {item["status"] for item in done["items"]} == {"accepted"}
    assert done["verification"]["verdict"] == "passed"
    assert _logins(lab) == before + 1
    record = ledger.Ledger.open().show(done["run_id"])
    assert (record["signed"], record["who"], record["verification"]) == ("yes", "userpass:engineer", "passed")


def test_plain_ansible_playbook_is_recorded_as_not_verified_and_a_second_run_finds_nothing_due(lab):
    lab.plain("back-up", ["legalservice"])
    again = lab.plain("back-up", ["legalservice"])
    assert {item["status"] for item in again["items"]} == {"not due"}
    assert again["hosts"]["backup1"]["changed"] == 0
    row = ledger.Ledger.open().list()[-1]
    assert (row["job"], row["status"], row["verification"]) == ("back-up", "done", "not verified")


def test_without_the_callback_nothing_starts(lab, tmp_path):
    shutil.copy(content_root() / "playbooks" / "back_up.yml", tmp_path)
    before = _records(lab)
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(lab.inventory / "hosts.yml"), str(tmp_path / "back_up.yml")],
        cwd=content_root(),
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "No record, no run" in done.stdout
    assert _records(lab) == before


def test_an_unwritable_ledger_stops_every_job(lab, tmp_path):
    (tmp_path / "file").write_text("", encoding="ascii")
    done = lab.run("run", "back-up", "--now", env={"YUNWEI_LEDGER": str(tmp_path / "file" / "ledger.sqlite")})
    assert done.returncode == 1
    assert "ledger" in done.stderr


def test_a_sealed_vault_stops_every_job_and_the_refusal_is_recorded(lab):
    slot = Slot(lab.slot)
    vaultserver.seal(slot)
    try:
        done = lab.run("run", "back-up", "--now")
    finally:
        vaultserver.unseal(slot)
    assert done.returncode == 1
    assert "sealed" in done.stderr
    row = ledger.Ledger.open().list()[-1]
    assert (row["status"], row["signed"]) == ("refused", "no")
    lab.plain("list-backups", ["legalservice"])
    assert {row["id"]: row["signed"] for row in ledger.Ledger.open().list()}[row["id"]] == "later"


def test_a_stopped_vault_is_told_apart_from_a_sealed_one(lab):
    slot = Slot(lab.slot)
    vaultserver.stop(slot)
    try:
        done = lab.run("run", "back-up", "--now")
    finally:
        vaultserver.start(slot)
        vaultserver.unseal(slot)
    assert done.returncode == 1
    assert "sealed" not in done.stderr


def test_the_second_starter_is_told_who_holds_the_system(lab):
    command = [str(BIN / "ansible-playbook"), "-i", str(lab.inventory / "hosts.yml"), "playbooks/back_up.yml"]
    wanted = json.dumps({"yunwei_systems": ["mediation"], "yunwei_now": True})
    with subprocess.Popen(
        [*command, "-e", wanted], cwd=content_root(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as first:
        assert first.stdout is not None
        next(line for line in first.stdout if "TASK [Fetch the secrets]" in line)
        second = lab.run("run", "sync-to-miyun", "--system", "mediation")
        first.stdout.read()
    assert first.returncode == 0
    assert second.returncode == 3
    assert "back-up" in second.stderr


def test_the_ledger_is_whole_after_all_that(lab):
    verified = lab.json("evidence", "verify", expect=4)
    assert (verified["ok"], verified["witnessed"]) == (True, None), "without a witness the tail is not proven"
