"""What is asked of the controller before the settings of a host are changed, and before a change of them is kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.actions import call
from yunwei import gate, permits
from yunwei.errors import RefusedError
from yunwei.recorder import Answer

WORK = {"system": "mediation", "probe_account": "yunwei-probe", "hosts": {"app1": {}}}
PERMIT = {
    "run_id": "r-1",
    "hosts": ["app1"],
    "expires": "2099-01-01T00:00:00Z",
    "work": {"mediation": permits.digest(WORK)},
}


@pytest.mark.parametrize(
    ("host", "changed", "said"),
    [
        ("app1", {"work": {**WORK, "probe_account": None}}, "is not what the gate of run r-1 gave out"),
        ("db1", {}, "the permit of run r-1 is not for db1"),
        ("app1", {"permit": {**PERMIT, "hosts": ["app1", "db1"]}}, "was not issued by the gate of run r-1"),
        ("app1", {"permit": None}, "no permit or no work"),
        ("app1", {"work": None}, "no permit or no work"),
    ],
)
def test_a_change_is_kept_only_for_the_gates_permit_and_work(
    monkeypatch: pytest.MonkeyPatch, host: str, changed: dict[str, Any], said: str
):
    monkeypatch.setattr(gate, "require_session", lambda: SimpleNamespace(permits=[PERMIT], run_id="r-1"))
    found = call(
        "hardening_confirm", {"inventory_hostname": host}, **{"permit": PERMIT, "work": WORK, "armed": {}, **changed}
    )
    assert (found["failed"], found["yunwei"]["exit_code"]) == (True, 3)
    assert said in found["msg"]


PLANNED = {**PERMIT, "plan": {"sha256": "f" * 64, "hosts": {"app1": {"mediation": "a"}, "db1": {"mediation": "b"}}}}


def look(host: str, digest: str, **changed: str) -> Answer:
    summary = {"system": changed.pop("system", "mediation"), "plan": {"digest": digest}}
    return Answer(changed.pop("action", "hardening_apply"), host, changed.pop("status", "ok"), summary)


@pytest.mark.parametrize(
    ("second", "lost"),
    [
        (look("db1", "b"), None),
        (look("db1", "b", status="changed"), None),
        (look("db1", "c"), "db1"),
        (look("db1", "b", system="legalservice"), "db1"),
        (look("db1", "b", status="failed"), "db1"),
        (look("db1", "b", action="log_files_plan"), "db1"),
        (look("app1", "b"), "db1"),
    ],
)
def test_nothing_of_a_stored_plan_is_done_before_every_host_has_said_the_same(second: Answer, lost: str | None):
    opened: Any = SimpleNamespace(recorder=SimpleNamespace(answers=[look("app1", "a"), second]))
    if lost is None:
        permits.require_all_looked(PLANNED, "hardening_apply", opened)
        return
    with pytest.raises(RefusedError, match=rf"^{lost}: not found as plan f{{16}}… says"):
        permits.require_all_looked(PLANNED, "hardening_apply", opened)


def test_the_module_is_not_called_to_change_a_host_that_was_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    opened = SimpleNamespace(permits=[PLANNED], run_id="r-1", recorder=SimpleNamespace(answers=[look("app1", "a")]))
    monkeypatch.setattr(gate, "require_session", lambda: opened)
    found = call("hardening_apply", {"inventory_hostname": "app1"}, permit=PLANNED, work=WORK)
    assert (found["failed"], found["yunwei"]["exit_code"]) == (True, 3)
    assert found["msg"].startswith("REFUSED: db1: not found as plan")
