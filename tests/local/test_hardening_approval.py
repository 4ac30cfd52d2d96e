"""Hardening a host that two systems share needs what policy asks for either, with a real OpenBao and a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.approving import OFFICER, add_approvers, keep_plan
from tests.inventories import CALENDAR, ESTATE, InventoryCopy
from yunwei import approvals, gate, locks, plans, session
from yunwei.errors import RefusedError

PLAN = plans.Plan(
    job="harden-servers",
    systems=["legalservice"],
    options={"accept_irreversible": []},
    hosts={"db1": {"legalservice": "a" * 64}},
    time="2026-11-22T01:00:00Z",
    requested_by="userpass:colleague",
    run_id="r-plan",
    items=[],
)


@pytest.fixture
def opened(inventory: InventoryCopy, tmp_path: Path) -> Iterator[session.Session]:
    """Open a run in an estate where mediation wants disruptive work approved, and legalservice does not."""
    inventory.write(CALENDAR, (Path(__file__).parents[1] / "fixtures/always_open.yml").read_text(encoding="utf-8"))
    add_approvers(inventory, tmp_path, "[disruptive]")
    inventory.edit(ESTATE, f"name: {OFFICER}, ", f"name: {OFFICER}, systems: [legalservice], ")
    intent = session.Intent("r-1234", "harden-servers", "harden_servers.yml", (inventory.folder,), False)
    found = session.open_session(intent)
    yield found
    found.close()


def _request(job: str, host: str) -> gate.Request:
    options = {"change": "r-20260301T013000-a1b2c3"} if job == "undo" else {}
    return gate.Request(job, systems=["legalservice"], options=options, play=["db1", "legacy1"], hosts=[host])


def test_a_shared_host_is_not_changed_for_the_system_that_asks_less(opened: session.Session):
    said = "^harden-servers on mediation needs a plan that a second person has approved"
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(_request("harden-servers", "db1"), opened)
    assert locks.holder(opened.vault, "legalservice") is None


def test_a_change_is_taken_back_without_an_approval(opened: session.Session):
    assert gate.open_gate(_request("undo", "db1"), opened)["permit"]["approval"] is None


@pytest.mark.parametrize(("name", "may"), [(OFFICER, False), ("engineer-post", True)])
def test_its_plan_is_approved_by_who_may_for_the_system_that_asks_more(
    opened: session.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, may: bool
):
    file = tmp_path / "plan.json"
    keep_plan(PLAN, file)
    signed = approvals.approve(opened.policy, PLAN, approvals.Signing(name, tmp_path / name, 24))
    approvals.write_approval(*signed, approvals.default_path(file))
    request = replace(_request("harden-servers", "db1"), systems=[], options={}, plan=file)
    monkeypatch.setattr(opened.vault, "identity", "userpass:colleague")
    if may:
        assert gate.open_gate(request, opened)["permit"]["approval"]["by"] == name
        locks.release(opened.vault, "legalservice", opened.run_id)
    else:
        with pytest.raises(RefusedError, match=f"^{name} may not approve work on mediation: ask another approver"):
            gate.open_gate(request, opened)


def test_its_other_hosts_are_not_held_up(opened: session.Session):
    """Restarts leave a shared host alone whose systems were not all named; legacy1 serves legalservice alone."""
    for job, host in (("harden-servers", "legacy1"), ("restart-servers", "db1")):
        permit = gate.open_gate(_request(job, host), opened)["permit"]
        assert (permit["approval"], list(permit["locks"])) == (None, ["legalservice"])
        locks.release(opened.vault, "legalservice", opened.run_id)
