"""Whose approval counts for what, with real SSH keys, a real OpenBao and a real ledger, without Ansible."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.approving import HOSTS, OFFICER, PLAN, keep_plan, make_key, open_gate, open_session, request, sign
from tests.inventories import ESTATE
from yunwei import approvals, gate, locks, permits, plans, ssh_signature
from yunwei.cli import main
from yunwei.errors import RefusedError, UsageError
from yunwei.ledger.process import describe_self


def test_an_approved_plan_is_permitted_for_its_hosts_until_the_approval_ends(opened, keys, plan_file):
    approval = sign(opened, plan_file, keys[OFFICER], hours=1)
    found = open_gate(opened, request(plan_file))
    permit = found["permit"]
    assert permit["plan"] == {"sha256": PLAN.sha256, "hosts": PLAN.hosts}
    assert permit["approval"] == {"id": approval.id, "by": OFFICER, "emergency": ""}
    assert datetime.fromisoformat(permit["expires"]) == approval.expiry
    assert (permit["hosts"], permit["time"]) == (HOSTS, PLAN.time)
    assert found["work"]["mediation"]["time"] == PLAN.time
    assert found["work"]["mediation"]["today"] >= datetime.now(UTC).date().isoformat()
    permits.require_permitted({"permit": permit, "work": found["work"]["mediation"]}, "app1", opened)


@pytest.mark.parametrize(
    ("file_", "said"),
    [(False, "needs a plan that a second person has approved"), (True, r"there is no .*plan\.json\.approval")],
)
def test_without_an_approval_nothing_is_permitted(opened, plan_file, file_: bool, said: str):
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(request(plan_file if file_ else None), opened)
    assert locks.holder(opened.vault, "mediation") is None


def test_a_check_needs_no_approval_and_other_systems_need_none(opened, plan_file):
    assert gate.open_gate(request(None, check=True), opened)["permit"]["approval"] is None
    found = gate.open_gate(request(None, systems=["legalservice"]), opened)["permit"]
    assert (found["approval"], found["expires"]) == (None, None)


def test_nobody_approves_their_own_plan(opened, keys, plan_file):
    own = dataclasses.replace(PLAN, requested_by="userpass:officer", run_id="r-own")
    keep_plan(own, plan_file)
    with pytest.raises(RefusedError, match="duty-officer is userpass:officer, who made or runs this plan"):
        sign(opened, plan_file, keys[OFFICER])
    keep_plan(PLAN, plan_file)
    sign(opened, plan_file, keys[OFFICER])
    keep_plan(own, plan_file)
    _forge(plan_file, keys[OFFICER], plan=own.sha256)
    with pytest.raises(RefusedError, match="duty-officer is userpass:officer, who made or runs this plan"):
        gate.open_gate(request(plan_file), opened)


def test_nobody_approves_their_own_run(opened, keys, plan_file):
    sign(opened, plan_file, keys["engineer-post"], "engineer-post")
    with pytest.raises(RefusedError, match="engineer-post is userpass:engineer, who made or runs this plan"):
        gate.open_gate(request(plan_file), opened)


def test_only_the_key_that_policy_has_signs(opened, keys, plan_file, tmp_path):
    other, _ = make_key(tmp_path, "other")
    with pytest.raises(UsageError, match="is not the key that policy has for duty-officer"):
        sign(opened, plan_file, other)
    with pytest.raises(UsageError, match=r"missing cannot sign: .*No such file"):
        sign(opened, plan_file, tmp_path / "missing")
    with pytest.raises(UsageError, match=r"'nobody' is no approver; policy .* has: duty-officer, engineer-post"):
        sign(opened, plan_file, keys[OFFICER], "nobody")
    assert not approvals.default_path(plan_file).exists()


def _forge(file: Path, key: Path, **changes: Any) -> None:
    """Write an approval that says something else, signed anew by `key`."""
    path = approvals.default_path(file)
    said = json.loads(json.loads(path.read_text())["approval"]) | changes
    text = approvals.Approval(**said).text
    signed = ssh_signature.sign(text, approvals.NAMESPACE, key)
    path.write_text(json.dumps({"approval": text, "signature": signed}))


def test_a_changed_or_forged_approval_is_refused(opened, keys, plan_file, tmp_path):
    sign(opened, plan_file, keys[OFFICER])
    path = approvals.default_path(plan_file)
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "approval": said["approval"].replace('"app1"', '"app2"')}))
    with pytest.raises(RefusedError, match="is not signed by the key that policy has for duty-officer"):
        gate.open_gate(request(plan_file), opened)
    path.write_text(json.dumps(said))
    _forge(plan_file, keys["engineer-post"])
    with pytest.raises(RefusedError, match="is not signed by the key that policy has for duty-officer"):
        gate.open_gate(request(plan_file), opened)
    _forge(plan_file, keys[OFFICER], approver="somebody")
    with pytest.raises(RefusedError, match="'somebody' is no approver"):
        gate.open_gate(request(plan_file), opened)


def test_a_signature_made_for_something_else_does_not_count(opened, keys, plan_file):
    approval = sign(opened, plan_file, keys[OFFICER])
    signed = ssh_signature.sign(approval.text, "git", keys[OFFICER])
    approvals.write_approval(approval, signed, approvals.default_path(plan_file))
    with pytest.raises(RefusedError, match="is not signed by the key"):
        gate.open_gate(request(plan_file), opened)


def test_an_approval_is_for_one_plan(opened, keys, plan_file):
    sign(opened, plan_file, keys[OFFICER])
    keep_plan(dataclasses.replace(PLAN, hosts={"app1": {"mediation": "c" * 64}}, run_id="r-other"), plan_file)
    with pytest.raises(RefusedError, match="have this one approved"):
        gate.open_gate(request(plan_file), opened)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ((-50, -2), "expired at"),
        ((-1, 48), "allowed are 48 hours, begun by now"),
        ((1, 2), "allowed are 48 hours, begun by now"),
    ],
)
def test_an_approval_is_valid_for_its_time(opened, keys, plan_file, hours: tuple[int, int], said: str):
    sign(opened, plan_file, keys[OFFICER])
    now = datetime.now(UTC)
    times = {name: now + timedelta(hours=hour) for name, hour in zip(("made", "expires"), hours, strict=True)}
    _forge(plan_file, keys[OFFICER], **{name: moment.isoformat() for name, moment in times.items()})
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(request(plan_file), opened)


@pytest.mark.parametrize("hours", [0, 49])
def test_nobody_approves_for_longer_than_policy_allows(opened, keys, plan_file, hours: int):
    with pytest.raises(UsageError, match="1 to 48 are allowed"):
        sign(opened, plan_file, keys[OFFICER], hours=hours)


def test_an_approver_of_other_systems_is_refused(inventory, keys, plan_file):
    inventory.edit(ESTATE, "['userpass:officer']", "['userpass:officer'], systems: [legalservice]")
    opened = open_session(inventory)
    with pytest.raises(RefusedError, match="duty-officer may not approve work on mediation"):
        sign(opened, plan_file, keys[OFFICER])
    opened.close()


def test_an_approval_is_for_one_run_and_a_run_that_was_cut_short_gives_it_back(inventory, keys, plan_file):
    first = open_session(inventory)
    sign(first, plan_file, keys[OFFICER])
    open_gate(first, request(plan_file))
    open_gate(first, request(plan_file))
    first.close()
    second = open_session(inventory, "r-5678")
    with pytest.raises(RefusedError, match=r"was used by run r-1234, and one approval is for one run"):
        gate.open_gate(request(plan_file), second)
    assert locks.holder(second.vault, "mediation") is None
    sign(second, plan_file, keys[OFFICER])
    second.ledger.begin({"run_id": "r-dead", "process": {**describe_self(), "start": 1}})
    approval = plans.read_json(approvals.default_path(plan_file), "approval", 1 << 20)
    name = json.loads(approval["approval"])["id"]
    second.vault.cas_write(f"approvals/mediation/{name}", {"run_id": "r-dead"}, 0)
    with pytest.raises(RefusedError, match="was used by run r-dead"):
        gate.open_gate(request(plan_file), second)
    second.ledger.close_interrupted()
    assert open_gate(second, request(plan_file))["permit"]["approval"]["id"] == name
    second.close()


def test_approve_shows_the_plan_and_writes_the_approval_beside_it(inventory, keys, plan_file, capsys):
    words = ["approve", str(plan_file), "--as", OFFICER, "--key", str(keys[OFFICER]), "-i", str(inventory.folder)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "plan of clean-logs, made 2026-11-22T01:00:00Z by userpass:colleague" in said
    assert f"plan {PLAN.sha256}" in said
    assert approvals.default_path(plan_file).stat().st_mode & 0o777 == 0o600
    assert main([*words, "--hours", "999"]) == 2
    assert main([*words[:2], "--as", "nobody", *words[4:]]) == 2
