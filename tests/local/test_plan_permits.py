"""What the gate permits for an approved plan, and what it asks of early releases and disruptive work, without Ansible.

With a real OpenBao and a real ledger.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.approving import HOSTS, OFFICER, PLAN, keep_plan, open_gate, open_session, request, sign
from tests.inventories import CALENDAR, InventoryCopy
from yunwei import gate, jobs, locks, openings, permits, plans
from yunwei.errors import RefusedError, UsageError
from yunwei.jobs import JobClass
from yunwei.ledger.process import describe_self
from yunwei.policy import System


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"play": ["app1"], "hosts": ["app1"]}, "also has db1, which this play leaves out"),
        ({"systems": ["legalservice"]}, "is for mediation, and legalservice was asked for"),
        ({"job": "retire-backups"}, "is a plan of clean-logs, and this is retire-backups"),
    ],
)
def test_a_plan_is_run_whole_or_not_at_all(opened, keys, plan_file, more: dict[str, Any], said: str):
    sign(opened, plan_file, keys[OFFICER])
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(request(plan_file, **more), opened)


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
    opened, keys, plan_file, changes: dict[str, Any], said: str
):
    plans.write_plan(dataclasses.replace(PLAN, **changes), plan_file)
    sign(opened, plan_file, keys[OFFICER])
    with pytest.raises(RefusedError, match=said):
        gate.open_gate(request(plan_file), opened)
    assert locks.holder(opened.vault, "mediation") is None


def test_hosts_that_the_plan_does_not_have_are_not_permitted(opened, keys, plan_file):
    sign(opened, plan_file, keys[OFFICER])
    hosts = [*HOSTS, "legacy1"]
    found = open_gate(opened, request(plan_file, play=hosts, hosts=hosts))
    with pytest.raises(RefusedError, match="the permit of run r-1234 is not for legacy1"):
        permits.require_permitted({"permit": found["permit"], "work": found["work"]["mediation"]}, "legacy1", opened)


def test_an_acting_module_is_called_with_this_run_s_permit_and_work_only(opened, keys, plan_file):
    sign(opened, plan_file, keys[OFFICER])
    found = open_gate(opened, request(plan_file))
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


def test_a_permit_that_is_over_permits_nothing(opened, keys, plan_file):
    sign(opened, plan_file, keys[OFFICER])
    found = gate.open_gate(request(plan_file), opened)
    over = {**found["permit"], "expires": "2026-01-01T00:00:00Z"}
    opened.permits.append(over)
    with pytest.raises(RefusedError, match="was valid until 2026-01-01"):
        permits.require_permitted({"permit": over, "work": found["work"]["mediation"]}, "app1", opened)
    permits.require_handed_on({"permit": over, "work": found["work"]["mediation"]}, "app1", opened)  # of a proof
    with pytest.raises(RefusedError, match="was valid until 2026-01-01"):
        permits.require_all_as_planned(over, HOSTS, HOSTS, opened)


def test_nothing_is_done_where_a_host_of_the_plan_has_fallen_out(opened, keys, plan_file):
    sign(opened, plan_file, keys[OFFICER])
    permit = open_gate(opened, request(plan_file))["permit"]
    everyone = [*HOSTS, "legacy1"]
    permits.require_all_as_planned(permit, everyone, everyone, opened)
    for lost in everyone:
        alive = [host for host in everyone if host != lost]
        with pytest.raises(RefusedError, match=f"{lost}: not as planned, or out of reach, so nothing of plan"):
            permits.require_all_as_planned(permit, everyone, alive, opened)
    unplanned = open_gate(opened, request(None, systems=["legalservice"]))["permit"]
    permits.require_all_as_planned(unplanned, everyone, [], opened)


def test_an_early_release_needs_an_approval_whatever_policy_marks(inventory, keys, plan_file):
    opened = open_session(inventory)
    release = {"records": ["a" * 64], "reason": "Miyun is away"}
    options = {"site": "local", "release": release}
    asked = {"job": "retire-backups", "play": ["backup1"], "hosts": ["backup1"]}
    with pytest.raises(RefusedError, match="retire-backups on mediation needs a plan that a second person"):
        gate.open_gate(request(None, options=options, **asked), opened)
    hosts = {"backup1": {"mediation": "d" * 64}}
    keep_plan(
        dataclasses.replace(PLAN, job="retire-backups", options=options, hosts=hosts, run_id="r-early"), plan_file
    )
    sign(opened, plan_file, keys[OFFICER])
    found = open_gate(opened, request(plan_file, options={"site": "local", "release": {}}, **asked))
    assert found["work"]["mediation"]["release"] == release
    assert found["permit"]["approval"]["by"] == OFFICER
    plain = gate.open_gate(request(None, options={"site": "local", "release": {}}, **asked), opened)["permit"]
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
        gate.open_gate(request(None, "retire-backups", options={"release": release}, check=True), opened)


def test_an_early_release_is_for_one_system(opened):
    options = {"release": {"records": ["a" * 64], "reason": "x"}}
    with pytest.raises(UsageError, match="an early release is for one system"):
        gate.open_gate(request(None, "retire-backups", systems=[], options=options, check=True), opened)


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
    inventory, keys, plan_file, disruptive
):
    _close_calendar(inventory)
    opened = open_session(inventory)
    sign(opened, plan_file, keys[OFFICER])
    with pytest.raises(RefusedError, match=r"(?s)the calendar is closed:.*Special period.*--emergency REASON"):
        gate.open_gate(request(plan_file), opened)
    assert locks.holder(opened.vault, "mediation") is None
    sign(opened, plan_file, keys[OFFICER], emergency="the disk is full")
    permit = open_gate(opened, request(plan_file))["permit"]
    assert permit["approval"]["emergency"] == "the disk is full"
    opened.close()
    assert opened.ledger.find_run("r-1234")["permits"][0]["approval"]["emergency"] == "the disk is full"


def test_disruptive_work_in_a_check_asks_no_calendar(inventory, keys, disruptive):
    _close_calendar(inventory)
    opened = open_session(inventory)
    assert gate.open_gate(request(None, check=True), opened)["permit"]["expires"] is None
    opened.close()


def test_the_calendar_must_have_room_for_the_longest_of_the_last_runs(inventory):
    opened = open_session(inventory)
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
