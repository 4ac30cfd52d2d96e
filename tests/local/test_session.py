"""A whole run under plain ansible-playbook and under ansible-runner, against a real OpenBao and a real ledger."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.release import __version__ as ansible_version

from tests.estates import BIN, FIXTURES, Estate
from tests.inventories import ESTATE
from tests.openbao import CANARY
from yunwei import locks
from yunwei.vault_policies import policy_name


def _paths(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["request"]["path"] for entry in entries]


def _assert_no_secret_in(folder: Path, text: str = "") -> None:
    forms = [CANARY.encode(), json.dumps(CANARY)[1:-1].encode(), CANARY.encode().hex().encode(), b"hvs.", b"s.CAES"]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for content in [text.encode(), *(path.read_bytes() for path in files)]:
        assert [form for form in forms if form in content] == []


def test_a_plain_run_is_recorded_and_signed_without_a_secret(estate: Estate):
    output = estate.play()
    record = estate.last_run()
    assert (record["status"], record["exit_code"], record["job"], record["check"]) == ("done", 0, "back-up", False)
    assert (record["who"], record["signed"], record["verification"]) == ("userpass:engineer", "yes", "not verified")
    assert record["hosts"]["backup1"]["changed"] == 2
    assert len(record["controller"]["git_commit"]) == 40
    assert record["controller"]["dirty"] in (True, False)
    assert len(record["inventory_digest"]) == 64
    summaries = {task["yunwei"]["system"]: task["yunwei"] for task in record["tasks"] if "yunwei" in task}
    assert sorted(summaries) == ["legalservice", "mediation"]
    assert summaries["mediation"]["secrets"] == ["repository-local", "source-app1", "source-db1"]
    assert [summary["leaks"] for summary in summaries.values()] == [[], []]
    assert record["artifacts"] == [{"path": str(estate.marker), "sha256": "0" * 64}] * 2
    assert estate.marker.read_text().split()[::2] == ["legalservice", "mediation"]
    assert estate.ledger.verify([estate.bao.client().public_key()]).ok
    _assert_no_secret_in(estate.state, output)


def test_the_audit_log_shows_one_login_one_read_a_secret_and_the_tokens_end(estate: Estate):
    before = len(estate.bao.audit())
    estate.play()
    paths = _paths(estate.bao.audit()[before:])
    assert [path for path in paths if "/login" in path] == ["auth/userpass/login/engineer"]
    reads = [path for path in paths if path.startswith("yunwei/data/systems/")]
    assert len(reads) == len(set(reads)) == 6
    assert paths[-1] == "auth/token/revoke-self"
    assert locks.holder(estate.bao.client(), "mediation") is None


def test_a_run_under_ansible_runner_leaves_no_secret_in_its_artifacts(estate: Estate, monkeypatch):
    from yunwei import runner

    for name, value in estate.environment().items():
        monkeypatch.setenv(name, value)
    launch = runner.Launch(FIXTURES / "back_up.yml", estate.inventory.folder, {"demo_marker": str(estate.marker)})
    seen: list[tuple[str, str, str]] = []
    before = len(estate.bao.audit())
    outcome = runner.run(launch, lambda *event: seen.append(event), runner.new_run_id())
    assert outcome.return_code == 0, outcome.output
    record = estate.ledger.find_run(outcome.run_id)
    assert record is not None
    assert (record["status"], record["signed"], record["who"]) == ("done", "yes", "userpass:engineer")
    assert sum("yunwei" in task for task in record["tasks"]) == 2
    assert len(estate.bao.logins_since(before)) == 1
    # Under core 2.19 ansible-runner hides of a hidden result also whether it changed anything.
    ended = "ok" if ansible_version.startswith("2.19.") else "changed"
    assert {status for _host, task, status in seen if task == "The system is acted on"} == {"started", ended}
    assert (estate.state / "runs" / outcome.run_id / "command").is_file()
    _assert_no_secret_in(estate.state, outcome.output)


def test_a_check_takes_no_lock_and_is_recorded_as_a_check(estate: Estate):
    taken = locks.Starter("r-other", "sync-to-miyun", "somebody")
    locks.acquire(estate.bao.client(), "mediation", taken, 600)
    estate.play("--check")
    assert estate.last_run()["check"] is True
    assert estate.last_run()["permits"][0]["check"] is True
    assert not estate.marker.exists()


def test_a_failed_module_is_recorded_with_its_reason_though_its_result_is_hidden(estate: Estate):
    output = estate.play("-vvv", "-e", "demo_fail='disk full'", expect=2)
    record = estate.last_run()
    assert (record["status"], record["exit_code"]) == ("failed", 1)
    assert "disk full" in record["reason"]
    assert "disk full" in output
    _assert_no_secret_in(estate.state, output)


def test_a_lock_number_that_the_playbook_changed_is_noticed(estate: Estate):
    changed = json.dumps({"demo_permit_changes": {"locks": {"mediation": 999, "legalservice": 999}}})
    output = estate.play("-e", changed, expect=1)
    assert "NOT PERMITTED: backup1: The system is acted on: acted with lock" in output
    record = estate.last_run()
    assert (record["status"], record["exit_code"]) == ("failed", 1)
    assert "of mediation; the gate issued" in record["reason"]
    assert "999" in record["reason"]


def test_nothing_is_carried_for_a_permit_that_the_playbook_changed(estate: Estate, tmp_path: Path):
    (tmp_path / "ssh").write_text("#!/bin/sh\nexit 255\n", encoding="ascii")
    (tmp_path / "ssh").chmod(0o755)
    wanted: dict[str, Any] = {"demo_relay": True, "demo_permit_changes": {"locks": {"mediation": 999}}}
    estate.play("-e", json.dumps(wanted), expect=2)
    assert (estate.last_run()["status"], estate.last_run()["exit_code"]) == ("refused", 3)
    assert "this permit was not issued by the gate of run" in estate.last_run()["reason"]
    estate.play("-e", '{"demo_relay": true}', expect=2, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert estate.last_run()["status"] == "could not judge"
    assert "reading /nowhere/state.json through the controller failed" in estate.last_run()["reason"]


def test_the_second_starter_is_refused_with_the_holders_name(estate: Estate):
    taken = locks.Starter("r-other", "sync-to-miyun", "userpass:somebody")
    locks.acquire(estate.bao.client(), "mediation", taken, 600)
    output = estate.play(expect=2)
    assert "\nREFUSED: mediation is locked: job sync-to-miyun, run r-other, started by userpass:somebody" in output
    record = estate.last_run()
    assert (record["status"], record["exit_code"]) == ("refused", 3)
    assert "userpass:somebody" in record["reason"]
    assert not estate.marker.exists()
    assert locks.holder(estate.bao.client(), "legalservice") is None


def _seal(estate: Estate) -> Callable[[], None]:
    estate.bao.seal()
    return estate.bao.unseal


def _stop(estate: Estate) -> Callable[[], None]:
    estate.bao.stop()
    return estate.bao.start


def _spoil_login(estate: Estate) -> Callable[[], None]:
    path = estate.bao.login_file("spoilt", {"method": "userpass", "username": "engineer", "password": "no"})
    estate.inventory.edit(ESTATE, "engineer.json", path.name)
    return lambda: estate.inventory.edit(ESTATE, path.name, "engineer.json")


def _expire(estate: Estate) -> Callable[[], None]:
    tokens = estate.bao.root.auth.token
    token = tokens.create(policies=["default"], ttl="1h")["auth"]["client_token"]
    tokens.revoke(token)
    path = estate.bao.login_file("expired", {"method": "token", "token": token})
    estate.inventory.edit(ESTATE, "engineer.json", path.name)
    return lambda: estate.inventory.edit(ESTATE, path.name, "engineer.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_seal, "is sealed"),
        (_stop, "does not answer"),
        (_spoil_login, "refused the login"),
        (_expire, "is expired or revoked at Vault"),
    ],
    ids=["sealed", "unreachable", "login", "expired"],
)
def test_a_fault_of_vault_stops_everything_and_is_signed_later(estate: Estate, damage, message: str):
    repair = damage(estate)
    try:
        output = estate.play(expect=1)
    finally:
        repair()
    assert "\nREFUSED: " in f"\n{output}"
    assert message in output
    assert "TASK" not in output
    record = estate.last_run()
    assert (record["status"], record["exit_code"], record["signed"]) == ("refused", 1, "no")
    assert message in record["reason"]
    assert not estate.marker.exists()
    estate.play()
    assert [row["signed"] for row in estate.ledger.list()] == ["later", "yes"]
    assert estate.ledger.verify().ok


def test_a_token_that_ends_before_the_gate_has_its_locks_lets_nothing_act(estate: Estate):
    rules = [policy_name("back-up", "mediation"), "default"]
    # Four uses: whose it is, and the three that it takes to sign the run's beginning.
    made = estate.bao.root.auth.token.create(policies=rules, ttl="1h", num_uses=4)
    path = estate.bao.login_file("short", {"method": "token", "token": made["auth"]["client_token"]})
    output = estate.play("-e", "yunwei_systems=mediation", expect=2, YUNWEI_LOGIN_FILE=str(path))
    assert "REFUSED: the token of token:token-token is expired or revoked" in output
    record = estate.last_run()
    assert (record["status"], record["exit_code"], record["permits"], record["signed"]) == ("refused", 1, [], "no")
    assert not estate.marker.exists()
    assert locks.holder(estate.bao.client(), "mediation") is None
    estate.play()
    assert [row["signed"] for row in estate.ledger.list()] == ["later", "yes"]


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (None, "there is no secret at yunwei/systems/mediation/source-app1"),
        ("back-up-mediation", "may not use yunwei/data/"),
    ],
    ids=["missing", "forbidden"],
)
def test_secrets_that_cannot_be_read_are_named_and_nothing_acts(estate: Estate, identity, message: str):
    if identity:
        estate.inventory.edit(ESTATE, "engineer.json", f"{identity}.json")
    else:
        estate.bao.root.secrets.kv.v2.delete_latest_version_of_secret("systems/mediation/source-app1", "yunwei")
    try:
        output = estate.play(expect=2)
    finally:
        estate.bao.put("systems/mediation/source-app1", private_key=f"{CANARY}-mediation-source-app1")
    assert "\nREFUSED: " in output
    assert message in output
    record = estate.last_run()
    assert (record["status"], record["exit_code"], record["signed"]) == ("refused", 1, "yes")
    assert message in record["reason"]
    assert not estate.marker.exists()


def test_without_the_callback_nothing_runs(estate: Estate, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(FIXTURES, elsewhere, ignore=shutil.ignore_patterns("callback_plugins"))
    done = subprocess.run(
        estate.command(playbook=elsewhere / "back_up.yml"),
        env=estate.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "REFUSED: No record, no run" in done.stdout
    assert "callback_plugins" in done.stdout
    assert not estate.marker.exists()


def test_with_a_ledger_that_cannot_be_written_nothing_runs(estate: Estate):
    (estate.state / "ledger.sqlite").mkdir(parents=True)
    before = len(estate.bao.audit())
    output = estate.play(expect=1)
    assert "Without it no job starts" in output
    assert "TASK" not in output
    assert estate.bao.audit()[before:] == []


def test_an_invalid_policy_stops_the_run_with_every_problem(estate: Estate):
    estate.inventory.edit(ESTATE, "timezone: Asia/Shanghai", "timezone: Asia/Shangai")
    estate.inventory.edit(ESTATE, "transit_key:", "transit_kay:")
    output = estate.play(expect=2)
    assert "Asia/Shangai" in output
    assert "transit_kay" in output
    assert estate.last_run()["status"] == "refused"
    assert estate.last_run()["exit_code"] == 2


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("ANSIBLE_PIPELINING", "False", "pipelining is off"),
        ("ANSIBLE_KEEP_REMOTE_FILES", "True", "kept on the hosts"),
        ("ANSIBLE_DISPLAY_ARGS_TO_STDOUT", "True", "arguments would be shown"),
    ],
)
def test_settings_that_would_spill_secrets_are_refused(estate: Estate, setting: str, value: str, message: str):
    output = estate.play(expect=2, **{setting: value})
    assert f"REFUSED: {message}" in output or message in output
    assert estate.last_run()["status"] == "refused"
    assert not estate.marker.exists()


def test_unchecked_host_keys_are_refused_before_any_connection(estate: Estate):
    output = estate.play("-e", "ansible_connection=ssh", expect=2, ANSIBLE_HOST_KEY_CHECKING="False")
    assert "REFUSED: backup1: host keys are not checked" in output
    assert estate.last_run()["exit_code"] == 3


@pytest.mark.parametrize("words", [["-e", "yunwei_systems=meditation"], ["-e", "demo_job=bakc-up"]])
def test_an_unknown_name_is_refused_with_the_nearest(estate: Estate, words: list[str]):
    output = estate.play(*words, expect=2)
    assert "REFUSED: there is no" in output
    assert "Did you mean" in output
    assert estate.last_run()["exit_code"] == 2


def test_one_system_is_locked_and_fetched_alone(estate: Estate):
    before = len(estate.bao.audit())
    estate.inventory.edit(ESTATE, "engineer.json", "back-up-mediation.json")
    estate.play("-e", "yunwei_systems=mediation")
    record = estate.last_run()
    assert record["who"] == "approle:back-up-mediation"
    assert list(record["permits"][0]["locks"]) == ["mediation"]
    assert [path for path in _paths(estate.bao.audit()[before:]) if "legalservice" in path] == []


def _start_and_wait_until_it_acts(estate: Estate, seconds: int = 30) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        estate.command("-e", f"demo_seconds={seconds}"),
        env=estate.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not estate.marker.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


@pytest.mark.parametrize("damage", [_seal, _stop], ids=["sealed", "unreachable"])
def test_a_vault_that_goes_while_a_host_acts_costs_the_signature_and_no_work(estate: Estate, damage):
    process = _start_and_wait_until_it_acts(estate, seconds=3)
    repair = damage(estate)
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        repair()
    assert estate.marker.read_text().split()[::2] == ["legalservice", "mediation"]
    record = estate.last_run()
    assert (process.returncode, record["status"], record["signed"]) == (0, "done", "no"), output
    assert "not signed yet" in output
    assert "lock of mediation stays" in output
    estate.play()
    assert [(row["status"], row["signed"]) for row in estate.ledger.list()] == [("done", "later"), ("done", "yes")]
    assert estate.ledger.verify([estate.bao.client().public_key()]).ok


def test_a_terminated_run_is_closed_as_interrupted_and_gives_lock_and_token_back(estate: Estate):
    before = len(estate.bao.audit())
    process = _start_and_wait_until_it_acts(estate)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    record = estate.last_run()
    assert (record["status"], record["signed"]) == ("interrupted", "yes")
    assert locks.holder(estate.bao.client(), "mediation") is None
    assert "auth/token/revoke-self" in _paths(estate.bao.audit()[before:])
    _end_group(process)


def test_after_a_kill_the_same_command_runs_again(estate: Estate):
    process = _start_and_wait_until_it_acts(estate)
    _end_group(process)
    assert estate.last_run()["status"] == "open"
    assert locks.holder(estate.bao.client(), "mediation") is not None
    number = locks.holder(estate.bao.client(), "mediation").number
    estate.play()
    assert [row["status"] for row in estate.ledger.list()] == ["interrupted", "done"]
    assert estate.last_run()["permits"][0]["locks"]["mediation"] > number
    assert estate.ledger.verify().ok


def _end_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.communicate(timeout=60)


def test_a_second_run_of_the_same_id_is_refused(estate: Estate):
    estate.play(YUNWEI_RUN_ID="r-20260101T000000-abcdef")
    assert estate.last_run()["id"] == "r-20260101T000000-abcdef"
    output = estate.play(YUNWEI_RUN_ID="r-20260101T000000-abcdef", expect=1)
    assert "used once" in output


def test_two_playbooks_of_one_command_are_two_runs(estate: Estate):
    playbook = str(FIXTURES / "back_up.yml")
    estate.play(playbook, YUNWEI_RUN_ID="r-20260101T000000-abcdef")
    assert [row["status"] for row in estate.ledger.list()] == ["done", "done"]


def test_an_inventory_without_policy_is_refused(estate: Estate, tmp_path: Path):
    hosts = tmp_path / "bare.yml"
    hosts.write_text("all: {hosts: {backup1: {ansible_connection: local}}}\n")
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(hosts), str(FIXTURES / "back_up.yml")],
        env=estate.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "has a policy/ folder" in done.stdout
