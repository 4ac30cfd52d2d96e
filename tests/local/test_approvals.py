"""Whose approval counts for what, with real SSH keys, a real OpenBao and a real ledger, without Ansible."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.approving import OFFICER, add_approvers, keep_plan, make_key
from tests.estates import make_inventory
from tests.inventories import CALENDAR, ESTATE, InventoryCopy
from tests.openbao import RealVault
from yunwei import approvals, gate, jobs, locks, openings, permits, plans, session, ssh_signature
from yunwei.cli import main
from yunwei.errors import RefusedError, UsageError
from yunwei.jobs import JobClass
from yunwei.ledger.process import describe_self
from yunwei.plans import Plan
from yunwei.policy import System

HOSTS = ["app1", "db1"]
PLAN = Plan(
    job="clean-logs",
    systems=["mediation"],
    options={},
    hosts={host: {"mediation": "a" * 64} for host in HOSTS},
    time="2026-11-22T01:00:00Z",
    requested_by="userpass:colleague",
    run_id="r-plan",
    items=[],
)


@pytest.fixture
def inventory(bao: RealVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InventoryCopy:
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    return make_inventory(bao, tmp_path)


@pytest.fixture
def keys(inventory: InventoryCopy, tmp_path: Path) -> dict[str, Path]:
    return add_approvers(inventory, tmp_path)


def _opened(inventory: InventoryCopy, run_id: str = "r-1234") -> session.Session:
    return session.open_session(session.Intent(run_id, "clean-logs", "clean_logs.yml", (inventory.folder,), False))


@pytest.fixture
def opened(inventory: InventoryCopy, keys: dict[str, Path]) -> Iterator[session.Session]:
    found = _opened(inventory)
    yield found
    if session.current():
        found.close()


@pytest.fixture
def file(inventory: InventoryCopy, tmp_path: Path) -> Path:
    keep_plan(PLAN, tmp_path / "plan.json")
    return tmp_path / "plan.json"


def _sign(opened: session.Session, file: Path, key: Path, name: str = OFFICER, **more: Any) -> approvals.Approval:
    """Approve what is in the file, and put the approval beside it."""
    signing = approvals.Signing(name, key, more.pop("hours", 24), **more)
    approval, signature = approvals.approve(opened.policy, plans.read_plan(file), signing)
    approvals.write_approval(approval, signature, approvals.default_path(file))
    return approval


def _request(file: Path | None, job: str = "clean-logs", **more: Any) -> gate.Request:
    given = {"systems": ["mediation"], "play": HOSTS, "hosts": HOSTS, "plan": file, **more}
    return gate.Request(job, **given)


def _open(opened: session.Session, request: gate.Request) -> dict[str, Any]:
    found = gate.open_gate(request, opened)
    opened.permits.append(found["permit"])
    return found


def test_an_approved_plan_is_permitted_for_its_hosts_until_the_approval_ends(opened, keys, file):
    approval = _sign(opened, file, keys[OFFICER], hours=1)
    found = _open(opened, _request(file))
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
def test_without_an_approval_nothing_is_permitted(opened, file, file_: bool, said: str):
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(_request(file if file_ else None), opened)
    assert locks.holder(opened.vault, "mediation") is None


def test_a_check_needs_no_approval_and_other_systems_need_none(opened, file):
    assert gate.open_gate(_request(None, check=True), opened)["permit"]["approval"] is None
    found = gate.open_gate(_request(None, systems=["legalservice"]), opened)["permit"]
    assert (found["approval"], found["expires"]) == (None, None)


def test_nobody_approves_their_own_plan(opened, keys, file):
    own = dataclasses.replace(PLAN, requested_by="userpass:officer", run_id="r-own")
    keep_plan(own, file)
    with pytest.raises(RefusedError, match="duty-officer is userpass:officer, who made or runs this plan"):
        _sign(opened, file, keys[OFFICER])
    keep_plan(PLAN, file)
    _sign(opened, file, keys[OFFICER])
    keep_plan(own, file)
    _forge(file, keys[OFFICER], plan=own.sha256)
    with pytest.raises(RefusedError, match="duty-officer is userpass:officer, who made or runs this plan"):
        gate.open_gate(_request(file), opened)


def test_nobody_approves_their_own_run(opened, keys, file):
    _sign(opened, file, keys["engineer-post"], "engineer-post")
    with pytest.raises(RefusedError, match="engineer-post is userpass:engineer, who made or runs this plan"):
        gate.open_gate(_request(file), opened)


def test_only_the_key_that_policy_has_signs(opened, keys, file, tmp_path):
    other, _ = make_key(tmp_path, "other")
    with pytest.raises(UsageError, match="is not the key that policy has for duty-officer"):
        _sign(opened, file, other)
    with pytest.raises(UsageError, match=r"missing cannot sign: .*No such file"):
        _sign(opened, file, tmp_path / "missing")
    with pytest.raises(UsageError, match=r"'nobody' is no approver; policy .* has: duty-officer, engineer-post"):
        _sign(opened, file, keys[OFFICER], "nobody")
    assert not approvals.default_path(file).exists()


def _forge(file: Path, key: Path, **changes: Any) -> None:
    """Write an approval that says something else, signed anew by `key`."""
    path = approvals.default_path(file)
    said = json.loads(json.loads(path.read_text())["approval"]) | changes
    text = approvals.Approval(**said).text
    signed = ssh_signature.sign(text, approvals.NAMESPACE, key)
    path.write_text(json.dumps({"approval": text, "signature": signed}))


def test_a_changed_or_forged_approval_is_refused(opened, keys, file, tmp_path):
    _sign(opened, file, keys[OFFICER])
    path = approvals.default_path(file)
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "approval": said["approval"].replace('"app1"', '"app2"')}))
    with pytest.raises(RefusedError, match="is not signed by the key that policy has for duty-officer"):
        gate.open_gate(_request(file), opened)
    path.write_text(json.dumps(said))
    _forge(file, keys["engineer-post"])
    with pytest.raises(RefusedError, match="is not signed by the key that policy has for duty-officer"):
        gate.open_gate(_request(file), opened)
    _forge(file, keys[OFFICER], approver="somebody")
    with pytest.raises(RefusedError, match="'somebody' is no approver"):
        gate.open_gate(_request(file), opened)


def test_a_signature_made_for_something_else_does_not_count(opened, keys, file):
    approval = _sign(opened, file, keys[OFFICER])
    signed = ssh_signature.sign(approval.text, "git", keys[OFFICER])
    approvals.write_approval(approval, signed, approvals.default_path(file))
    with pytest.raises(RefusedError, match="is not signed by the key"):
        gate.open_gate(_request(file), opened)


def test_an_approval_is_for_one_plan(opened, keys, file):
    _sign(opened, file, keys[OFFICER])
    keep_plan(dataclasses.replace(PLAN, hosts={"app1": {"mediation": "c" * 64}}, run_id="r-other"), file)
    with pytest.raises(RefusedError, match="have this one approved"):
        gate.open_gate(_request(file), opened)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ((-50, -2), "expired at"),
        ((-1, 48), "allowed are 48 hours, begun by now"),
        ((1, 2), "allowed are 48 hours, begun by now"),
    ],
)
def test_an_approval_is_valid_for_its_time(opened, keys, file, hours: tuple[int, int], said: str):
    _sign(opened, file, keys[OFFICER])
    now = datetime.now(UTC)
    times = {name: now + timedelta(hours=hour) for name, hour in zip(("made", "expires"), hours, strict=True)}
    _forge(file, keys[OFFICER], **{name: moment.isoformat() for name, moment in times.items()})
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(_request(file), opened)


@pytest.mark.parametrize("hours", [0, 49])
def test_nobody_approves_for_longer_than_policy_allows(opened, keys, file, hours: int):
    with pytest.raises(UsageError, match="1 to 48 are allowed"):
        _sign(opened, file, keys[OFFICER], hours=hours)


def test_an_approver_of_other_systems_is_refused(inventory, keys, file):
    inventory.edit(ESTATE, "['userpass:officer']", "['userpass:officer'], systems: [legalservice]")
    opened = _opened(inventory)
    with pytest.raises(RefusedError, match="duty-officer may not approve work on mediation"):
        _sign(opened, file, keys[OFFICER])
    opened.close()


def test_an_approval_is_for_one_run_and_a_run_that_was_cut_short_gives_it_back(inventory, keys, file):
    first = _opened(inventory)
    _sign(first, file, keys[OFFICER])
    _open(first, _request(file))
    _open(first, _request(file))
    first.close()
    second = _opened(inventory, "r-5678")
    with pytest.raises(RefusedError, match=r"was used by run r-1234, and one approval is for one run"):
        gate.open_gate(_request(file), second)
    assert locks.holder(second.vault, "mediation") is None
    _sign(second, file, keys[OFFICER])
    second.ledger.begin({"run_id": "r-dead", "process": {**describe_self(), "start": 1}})
    approval = plans.read_json(approvals.default_path(file), "approval", 1 << 20)
    name = json.loads(approval["approval"])["id"]
    second.vault.cas_write(f"approvals/mediation/{name}", {"run_id": "r-dead"}, 0)
    with pytest.raises(RefusedError, match="was used by run r-dead"):
        gate.open_gate(_request(file), second)
    second.ledger.close_interrupted()
    assert _open(second, _request(file))["permit"]["approval"]["id"] == name
    second.close()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"play": ["app1"], "hosts": ["app1"]}, "also has db1, which this play leaves out"),
        ({"systems": ["legalservice"]}, "is for mediation, and legalservice was asked for"),
        ({"job": "retire-backups"}, "is a plan of clean-logs, and this is retire-backups"),
    ],
)
def test_a_plan_is_run_whole_or_not_at_all(opened, keys, file, more: dict[str, Any], said: str):
    _sign(opened, file, keys[OFFICER])
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(_request(file, **more), opened)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hosts": {"app1": {"mediation": "c" * 64}, "db1": {"mediation": "a" * 64}}}, "hosts differ from the ledger"),
        ({"requested_by": "userpass:nobody", "time": "2099-01-01T00:00:00Z"}, "requested_by, time differ"),
        ({"items": [{"host": "app1", "item": "harmless"}]}, "items differ from the ledger"),
        ({"run_id": "r-none"}, "knows no finished check-mode run r-none"),
    ],
)
def test_a_plan_that_no_run_found_is_refused_though_its_digest_and_signature_are_right(
    opened, keys, file, changes: dict[str, Any], said: str
):
    plans.write_plan(dataclasses.replace(PLAN, **changes), file)
    _sign(opened, file, keys[OFFICER])
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(_request(file), opened)
    assert locks.holder(opened.vault, "mediation") is None


def test_hosts_that_the_plan_does_not_have_are_not_permitted(opened, keys, file):
    _sign(opened, file, keys[OFFICER])
    hosts = [*HOSTS, "legacy1"]
    found = _open(opened, _request(file, play=hosts, hosts=hosts))
    with pytest.raises(RefusedError, match="the permit of run r-1234 is not for legacy1"):
        permits.require_permitted({"permit": found["permit"], "work": found["work"]["mediation"]}, "legacy1", opened)


def test_an_acting_module_is_called_with_this_run_s_permit_and_work_only(opened, keys, file):
    _sign(opened, file, keys[OFFICER])
    found = _open(opened, _request(file))
    permit, unit = found["permit"], found["work"]["mediation"]
    for args, said in (
        ({"permit": {**permit, "plan": None}, "work": unit}, "was not issued by the gate"),
        ({"permit": {**permit, "expires": "2099-01-01T00:00:00Z"}, "work": unit}, "was not issued by the gate"),
        ({"permit": permit, "work": {**unit, "today": "2020-01-01"}}, "is not what the gate of run r-1234 gave out"),
        ({"permit": permit, "work": {**unit, "system": "legalservice"}}, "is not what the gate"),
        ({"work": unit}, "no permit or no work"),
        ({"permit": permit}, "no permit or no work"),
    ):
        with pytest.raises(RefusedError, match=said):
            permits.require_permitted(args, "app1", opened)


def test_a_permit_that_is_over_permits_nothing(opened, keys, file):
    _sign(opened, file, keys[OFFICER])
    found = gate.open_gate(_request(file), opened)
    over = {**found["permit"], "expires": "2026-01-01T00:00:00Z"}
    opened.permits.append(over)
    with pytest.raises(RefusedError, match="was valid until 2026-01-01"):
        permits.require_permitted({"permit": over, "work": found["work"]["mediation"]}, "app1", opened)
    permits.require_handed_on({"permit": over, "work": found["work"]["mediation"]}, "app1", opened)  # of a proof
    with pytest.raises(RefusedError, match="was valid until 2026-01-01"):
        permits.require_all_as_planned(over, HOSTS, HOSTS, opened)


def test_nothing_is_done_where_a_host_of_the_plan_has_fallen_out(opened, keys, file):
    _sign(opened, file, keys[OFFICER])
    permit = _open(opened, _request(file))["permit"]
    everyone = [*HOSTS, "legacy1"]
    permits.require_all_as_planned(permit, everyone, everyone, opened)
    for lost in everyone:
        alive = [host for host in everyone if host != lost]
        with pytest.raises(RefusedError, match=f"{lost}: not as planned, or out of reach, so nothing of plan"):
            permits.require_all_as_planned(permit, everyone, alive, opened)
    unplanned = _open(opened, _request(None, systems=["legalservice"]))["permit"]
    permits.require_all_as_planned(unplanned, everyone, [], opened)


def test_an_early_release_needs_an_approval_whatever_policy_marks(inventory, keys, file):
    opened = _opened(inventory)
    release = {"records": ["a" * 64], "reason": "Miyun is away"}
    options = {"site": "local", "release": release}
    asked = {"job": "retire-backups", "play": ["backup1"], "hosts": ["backup1"]}
    with pytest.raises(RefusedError, match="retire-backups on mediation needs a plan that a second person"):
        gate.open_gate(_request(None, options=options, **asked), opened)
    hosts = {"backup1": {"mediation": "d" * 64}}
    keep_plan(dataclasses.replace(PLAN, job="retire-backups", options=options, hosts=hosts, run_id="r-early"), file)
    _sign(opened, file, keys[OFFICER])
    found = _open(opened, _request(file, options={"site": "local", "release": {}}, **asked))
    assert found["work"]["mediation"]["release"] == release
    assert found["permit"]["approval"]["by"] == OFFICER
    plain = gate.open_gate(_request(None, options={"site": "local", "release": {}}, **asked), opened)["permit"]
    assert (plain["approval"], plain["expires"]) == (None, None)
    opened.close()


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"records": ["a" * 11], "reason": "x"}, "ids of 12 to 64 hexadecimal digits"),
        ({"records": [], "reason": "x"}, "ids of 12 to 64 hexadecimal digits"),
        ({"records": "a" * 64, "reason": "x"}, "ids of 12 to 64 hexadecimal digits"),
        ({"records": ["a" * 64], "reason": " "}, "without a reason"),
        ({"records": ["a" * 64]}, "an early release is {records, reason} at site local"),
    ],
)
def test_an_early_release_that_is_none_is_refused(opened, release: dict[str, Any], said: str):
    with pytest.raises(UsageError, match=said):
        gate.open_gate(_request(None, "retire-backups", options={"release": release}, check=True), opened)


def test_an_early_release_is_for_one_system(opened):
    options = {"release": {"records": ["a" * 64], "reason": "x"}}
    with pytest.raises(UsageError, match="an early release is for one system"):
        gate.open_gate(_request(None, "retire-backups", systems=[], options=options, check=True), opened)


# A job of yunwei made disruptive for these tests: what the gate asks then does not depend on what the job does.
@pytest.fixture
def disruptive(monkeypatch: pytest.MonkeyPatch) -> None:
    job = jobs.find_job("clean-logs")
    monkeypatch.setattr(jobs, "_JOBS", (dataclasses.replace(job, job_class=JobClass.DISRUPTIVE),))


def _close_calendar(inventory: InventoryCopy) -> None:
    today = datetime.now(UTC).date()
    begin, end = today - timedelta(days=2), today + timedelta(days=2)
    freeze = f"freezes:\n  - {{name: {{zh: 保障期, en: Special period}}, starts: {begin}, ends: {end}}}\n"
    inventory.write(CALENDAR.replace("calendar.yml", "special.yml"), freeze)


def test_a_closed_calendar_holds_up_disruptive_work_and_an_approved_emergency_passes_it(
    inventory, keys, file, disruptive
):
    _close_calendar(inventory)
    opened = _opened(inventory)
    _sign(opened, file, keys[OFFICER])
    with pytest.raises(RefusedError, match=r"(?s)the calendar is closed:.*Special period.*--emergency REASON"):
        gate.open_gate(_request(file), opened)
    assert locks.holder(opened.vault, "mediation") is None
    _sign(opened, file, keys[OFFICER], emergency="the disk is full")
    permit = _open(opened, _request(file))["permit"]
    assert permit["approval"]["emergency"] == "the disk is full"
    opened.close()
    assert opened.ledger.find_run("r-1234")["permits"][0]["approval"]["emergency"] == "the disk is full"


def test_disruptive_work_in_a_check_asks_no_calendar(inventory, keys, disruptive):
    _close_calendar(inventory)
    opened = _opened(inventory)
    assert gate.open_gate(_request(None, check=True), opened)["permit"]["expires"] is None
    opened.close()


def test_the_calendar_must_have_room_for_the_longest_of_the_last_runs(inventory):
    opened = _opened(inventory)
    assert openings.expected_duration(opened.ledger, "clean-logs", ["mediation"]) == openings.UNMEASURED
    runs = [("done", False, 900), *[("done", False, seconds) for seconds in (60, 300, 120, 30, 20)]]
    runs += [("failed", False, 5000), ("done", True, 6000)]
    for number, (status, check, seconds) in enumerate(runs):
        end = {"job": "clean-logs", "status": status, "check": check, "seconds": seconds}
        opened.ledger.begin({"run_id": f"r-{number}", "process": describe_self()})
        opened.ledger.finish(f"r-{number}", {**end, "permits": [{"systems": ["mediation", "exam"]}]})
    assert openings.expected_duration(opened.ledger, "clean-logs", ["mediation"]) == timedelta(seconds=300)
    assert openings.expected_duration(opened.ledger, "clean-logs", ["legalservice"]) == openings.UNMEASURED
    assert openings.expected_duration(opened.ledger, "back-up", ["mediation"]) == openings.UNMEASURED
    opened.close()


def test_a_system_is_marked_by_class_or_by_job(inventory, keys):
    system = inventory.load().system("mediation")
    clean, back_up = jobs.find_job("clean-logs"), jobs.find_job("back-up")
    assert [system.wants_approval(job) for job in (clean, back_up)] == [True, False]
    marked = System.model_construct(needs_approval=["disruptive"])
    found = [marked.wants_approval(jobs.find_job(name)) for name in ("restart-servers", "clean-logs", "undo")]
    assert found == [True, False, False]


def test_approve_shows_the_plan_and_writes_the_approval_beside_it(inventory, keys, file, capsys):
    words = ["approve", str(file), "--as", OFFICER, "--key", str(keys[OFFICER]), "-i", str(inventory.folder)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "plan of clean-logs, made 2026-11-22T01:00:00Z by userpass:colleague" in said
    assert f"plan {PLAN.sha256}" in said
    assert approvals.default_path(file).stat().st_mode & 0o777 == 0o600
    assert main([*words, "--hours", "999"]) == 2
    assert main([*words[:2], "--as", "nobody", *words[4:]]) == 2
