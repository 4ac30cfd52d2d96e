"""A host of two systems: a change of its settings keeps everybody's jobs away, and asks whoever must approve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from yunwei_harden import hardening
from yunwei_host import fence, hostlock
from yunwei_host.faults import RefusedByPolicyError

PART = {"systems": ["mediation", "legalservice"]}
PERMIT: dict[str, Any] = {
    "run_id": "r-1",
    "job": "harden-servers",
    "systems": ["mediation"],
    "locks": {"mediation": 4},
    "lock_series": {"mediation": "aaaa"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(fence, "FOLDER", str(tmp_path / "numbers"))
    monkeypatch.setattr(hostlock, "FOLDER", str(tmp_path))
    return tmp_path


def is_free(system: str) -> bool:
    try:
        with hostlock.HostLock(system, {**PERMIT, "run_id": "r-2"}, numbered=False):
            return True
    except RefusedByPolicyError:
        return False


def test_a_change_holds_the_locks_of_all_systems_of_its_host(folder: Path):
    held = hardening.alone(PART, PERMIT, False, lambda: [is_free(system) for system in PART["systems"]])
    assert held == [False, False]
    assert [is_free(system) for system in PART["systems"]] == [True, True]
    assert json.loads((folder / "numbers/mediation.json").read_text(encoding="utf-8"))["number"] == 4
    assert not (folder / "numbers/legalservice.json").exists(), "a number that nobody took is remembered by nobody"


@pytest.mark.parametrize("busy", ["mediation", "legalservice"])
def test_while_a_job_of_any_of_them_is_at_work_nothing_is_changed(busy: str):
    at_work = hostlock.HostLock(busy, {"run_id": "r-2", "job": "maintain-databases"}, numbered=False)
    with at_work, pytest.raises(RefusedByPolicyError, match=rf"run r-2 .* holds the lock of system {busy}"):
        hardening.alone(PART, PERMIT, False, pytest.fail)
    assert [is_free(system) for system in PART["systems"]] == [True, True]


def test_a_check_holds_nobody_up():
    assert hardening.alone(PART, PERMIT, True, lambda: is_free("legalservice"))
