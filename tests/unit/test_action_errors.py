"""What a task says where one of the project's own action plugins ends in an error: its reason and its exit code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.actions import call
from yunwei import gate
from yunwei.recorder import Answer

PERMIT = {
    "run_id": "r-1",
    "systems": ["mediation"],
    "expires": None,
    "plan": {"sha256": "f" * 64, "hosts": {"app1": {}, "db1": {}}},
}
HERE: dict[str, Any] = {
    "inventory_hostname": "app1", "ansible_play_hosts_all": ["app1", "db1"], "ansible_play_hosts": ["app1"],
}  # fmt: skip
UNJUDGED = {"batches": [], "left": {}, "drained": [], "unjudged": {"win1": "a Windows host"}}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a run open, whose gate has issued the permit and whose rollout left a host that nobody could ask."""
    plan = Answer("restart_rollout", "app1", "ok", UNJUDGED)
    opened = SimpleNamespace(permits=[PERMIT], run_id="r-1", recorder=SimpleNamespace(answers=[plan]))
    monkeypatch.setattr(gate, "require_session", lambda: opened)


@pytest.mark.parametrize(
    ("action", "args", "exit_code", "said"),
    [
        ("yunwei_gate", {}, 2, "yunwei_gate takes approval, job"),
        ("yunwei_gate", {"job": "back-up", "system": "x"}, 2, "found ['system']"),
        ("yunwei_secrets", {"permit": PERMIT}, 2, "yunwei_secrets without no_log would show every secret"),
        ("yunwei_secrets", {"permit": "x", "no_log": True}, 2, "takes one argument: the permit"),
        ("yunwei_all_as_planned", {"permit": {}}, 3, "was not issued by the gate of run r-1"),
        ("restart_rollout", {"permit": PERMIT, "step": "begin"}, 2, "takes a step, one of plan, window, end"),
        ("restart_rollout", {"permit": {}, "step": "end"}, 3, "was not issued by the gate of run r-1"),
        ("hardening_confirm", {"permit": PERMIT}, 3, "no permit or no work"),
    ],
)
def test_a_refusal_is_told_with_its_exit_code(
    session: None, action: str, args: dict[str, Any], exit_code: int, said: str
):
    found = call(action, {} if action == "yunwei_gate" else HERE, **args)
    assert found["failed"] is True
    assert found["msg"] == f"REFUSED: {found['yunwei']['refused']}"
    assert found["yunwei"]["exit_code"] == exit_code
    assert said in found["msg"]


def test_hosts_that_fell_out_of_a_plan_are_named(session: None):
    found = call("yunwei_all_as_planned", HERE, permit=PERMIT)
    assert (found["failed"], found["yunwei"]["exit_code"], found["yunwei"]["fallen_out"]) == (True, 3, ["db1"])
    assert found["msg"].startswith("REFUSED: db1: not as planned, or out of reach")


def test_what_nobody_could_judge_is_no_refusal(session: None):
    found = call("restart_rollout", HERE, permit=PERMIT, step="end")
    assert (found["failed"], found["yunwei"]["exit_code"]) == (True, 4)
    assert found["msg"].startswith("COULD NOT JUDGE: win1: a Windows host")
    assert "refused" not in found["yunwei"]


def test_a_relay_carries_nothing_in_check_mode_and_nothing_of_another_system(session: None):
    given = {"permit": PERMIT, "source": "backup1", "source_dir": "/srv/x", "work": {"system": "exam"}}
    assert call("restore_relay", HERE, check_mode=True, **given) == {"taken": {}}
    found = call("restore_relay", HERE, **given)
    assert (found["failed"], found["msg"]) == (True, "no permit for exam: start this through its gate")
    assert found["yunwei"] == {"reason": found["msg"], "refused": found["msg"], "exit_code": 3}


def test_a_list_that_cannot_be_kept_fails_without_an_artifact(session: None):
    found = call("log_plan_keep", HERE, system="mediation", plan={"packed": "bm8gbGlzdA==", "sha256": "0" * 64})
    assert found["failed"] is True
    assert found["msg"].startswith("the list of planned files cannot be kept:")
    assert "yunwei" not in found
