"""The plan of a rollout: what policy and the hosts' answers make of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.inventories import ESTATE, LEGALSERVICE, MEDIATION, InventoryCopy
from yunwei import permits, work
from yunwei.errors import NotAsPlannedError, RefusedError
from yunwei.policy import Policy
from yunwei.restart import windows
from yunwei.restart.plan import Facts, Plan, make_plan

OPEN = datetime(2026, 12, 5, 16, 0, tzinfo=UTC)  # midnight from Saturday to Sunday in Shanghai
CLOSED = datetime(2026, 12, 2, 2, 0, tzinfo=UTC)
NEED = {"source": "flag", "reason": "the package manager asks for it"}
DAY = 86400
RULES = 'restart: {probes: [{host: app1, url: "http://127.0.0.1:8080/health", expect: ok}]}\n'
NEAR = "Did you mean 'app1'?"


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path)


def said(*needs: dict[str, str], days: int = 1, standby: bool = False, **findings: str) -> dict[str, Any]:
    items = [{"item": name, "reason": "because", "status": status} for name, status in findings.items()]
    return {"needs": list(needs), "items": items, "standby": standby, "uptime_seconds": days * DAY, "pending": None}


def plan(
    policy: Policy, answers: dict[str, Any], now: datetime = OPEN, systems: Any = None, force: bool = False
) -> Plan:
    units = {name: work.restart_work(policy, name, force, now) for name in systems or policy.systems}
    return make_plan(policy, Facts(units, answers), now)


def rows(made: Plan) -> dict[str, tuple[str, str]]:
    return {row["host"]: (row["item"], row["status"]) for row in made.rows}


def reason(made: Plan, host: str) -> str:
    (row,) = [row for row in made.rows if row["host"] == host]
    return str(row["reason"])


def test_hosts_that_need_it_go_in_order_and_the_others_stay(lab: InventoryCopy):
    made = plan(lab.load(), {"app1": said(NEED), "db1": said(NEED), "legacy1": said()})
    assert [batch["hosts"] for batch in made.batches] == [["app1"], ["db1"]]
    assert rows(made) == {
        "app1": ("batch 1", "would restart"), "db1": ("batch 2", "would restart"), "legacy1": ("-", "not needed"),
    }  # fmt: skip
    assert reason(made, "app1") == "the package manager asks for it; now, about 15m"


def test_a_database_host_waits_for_the_applications_of_all_its_systems(lab: InventoryCopy):
    made = plan(lab.load(), {name: said(NEED) for name in ("app1", "db1", "legacy1")})
    assert [batch["hosts"] for batch in made.batches] == [["app1"], ["legacy1"], ["db1"]]


def test_policys_tiers_turn_the_order_round(lab: InventoryCopy):
    lab.edit(MEDIATION, RULES, "restart: {tiers: [database, application]}\n")
    made = plan(lab.load(), {"app1": said(NEED), "db1": said(NEED)})
    assert [batch["hosts"] for batch in made.batches] == [["db1"], ["app1"]]


def test_a_blocked_host_is_left_with_its_reasons_and_a_waived_finding_blocks_nothing(lab: InventoryCopy):
    made = plan(lab.load(), {"app1": said(NEED, **{"mount:/data": "blocks"}), "legacy1": said(NEED, x="waived")})
    assert made.left == {"app1": "mount:/data: because"}
    assert [batch["hosts"] for batch in made.batches] == [["legacy1"]]
    assert rows(made)["app1"] == ("-", "blocked")


def test_a_host_of_two_systems_is_left_where_only_one_is_asked_for(lab: InventoryCopy):
    made = plan(lab.load(), {"app1": said(NEED), "db1": said(NEED)}, systems=["mediation"])
    assert [batch["hosts"] for batch in made.batches] == [["app1"]]
    assert reason(made, "db1") == made.left["db1"] == "serves legalservice as well: name that system too"
    made = plan(lab.load(), {"db1": said()}, systems=["mediation"])
    assert (made.left, rows(made)["db1"]) == ({}, ("-", "left")), "it needs nothing"


def test_every_host_goes_where_the_run_asks_for_it(lab: InventoryCopy):
    made = plan(lab.load(), {"app1": said(), "legacy1": said()}, force=True)
    assert [batch["hosts"] for batch in made.batches] == [["app1"], ["legacy1"]]
    assert reason(made, "app1").startswith("asked for by the run")


def test_windows_hosts_and_hosts_out_of_reach_are_told_never_silently_left_out(tmp_path: Path):
    made = plan(InventoryCopy(tmp_path, "example").load(), {}, systems=["legalservice"])
    left = {row["host"]: row["reason"] for row in made.rows}
    assert left["fl-report1"] == "could not judge: a Windows host; restart it by hand"
    assert made.unjudged["fl-report1"] == left["fl-report1"]


def test_a_host_that_is_drained_and_blocked_is_to_be_undrained(lab: InventoryCopy):
    answers = {"app1": said(NEED, x="blocks"), "legacy1": said(NEED, x="blocks"), "db1": said(NEED)}
    for name, pending in (("app1", "not yet"), ("legacy1", "restarted"), ("db1", "not yet")):
        answers[name]["pending"] = pending
    assert plan(lab.load(), answers).drained == ["app1"]


def test_closed_the_plan_says_from_when(lab: InventoryCopy):
    made = plan(lab.load(), {"legacy1": said(NEED)}, CLOSED)
    assert "; from 2026-12-05 22:00 Sat, about 15m" in reason(made, "legacy1")


def test_the_plan_foretells_who_will_be_too_late(lab: InventoryCopy):
    """Policy allows 90 days; the next opening of legacy1 is in three and a half."""
    late, soon = said(days=88), said(days=80)
    assert rows(plan(lab.load(), {"legacy1": soon}, CLOSED))["legacy1"] == ("-", "not needed")
    made = plan(lab.load(), {"legacy1": late}, CLOSED)
    assert rows(made)["legacy1"] == ("-", "will be overdue")
    assert reason(made, "legacy1") == (
        "breaks the restart policy on 2026-12-04 10:00 Fri, next opening: 2026-12-05 22:00 Sat"
    )


ANSWERS = {"app1": said(NEED, days=80), "db1": said(NEED), "legacy1": said()}


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        ({}, set()),
        ({"app1": said({**NEED, "reason": "in other words"}, days=81)}, set()),
        ({"legacy1": said(busy="blocks")}, set()),
        ({"legacy1": said(NEED)}, {"db1", "legacy1"}),
        ({"db1": said()}, {"db1"}),
        ({"db1": said(NEED, busy="blocks")}, {"db1"}),
        ({"db1": said(NEED, {"source": "kernel", "reason": "a new one"})}, {"db1"}),
        ({"legacy1": {**said(NEED, busy="blocks"), "pending": "not yet"}}, {"legacy1"}),
    ],
)
def test_the_digests_are_of_what_is_done_to_each_host(lab: InventoryCopy, changed: dict[str, Any], others: set[str]):
    loaded = lab.load()
    first, then = plan(loaded, ANSWERS).digests, plan(loaded, {**ANSWERS, **changed}, CLOSED).digests
    assert {host for host in ANSWERS if first[host] != then[host]} == others
    stored = {"plan": {"sha256": "f" * 64, "hosts": first}}
    permits.require_as_planned({"plan": None}, then)
    if not others:
        permits.require_as_planned(stored, then)
        return
    with pytest.raises(NotAsPlannedError, match=f"^{', '.join(sorted(others))}: not as planned, so nothing of plan f"):
        permits.require_as_planned(stored, then)


def test_a_host_that_does_not_answer_or_was_not_planned_is_another_plan(lab: InventoryCopy):
    loaded = lab.load()
    whole = plan(loaded, ANSWERS).digests
    part = plan(loaded, {name: ANSWERS[name] for name in ("app1", "db1")}).digests
    for planned, found in ((whole, part), (part, whole)):
        with pytest.raises(NotAsPlannedError, match=r"^legacy1: not as planned"):
            permits.require_as_planned({"plan": {"sha256": "f" * 64, "hosts": planned}}, found)


def test_a_restart_that_nothing_but_the_run_asks_for_is_another_plan(lab: InventoryCopy):
    loaded = lab.load()
    answers = {"app1": said(NEED)}
    assert plan(loaded, answers).digests == plan(loaded, answers, force=True).digests
    assert plan(loaded, {"app1": said()}).digests != plan(loaded, {"app1": said()}, force=True).digests


def test_health_probes_are_asked_with_every_batch_of_their_system(lab: InventoryCopy):
    made = plan(lab.load(), {"app1": said(), "db1": said(NEED), "legacy1": said(NEED)})
    assert [(batch["hosts"], batch["proving"]) for batch in made.batches] == [
        (["legacy1"], ["legacy1"]), (["db1"], ["app1", "db1"]),
    ]  # fmt: skip


class TestWindow:
    def test_no_room_no_restart_and_every_host_is_told(self, lab: InventoryCopy, monkeypatch: pytest.MonkeyPatch):
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return CLOSED

        monkeypatch.setattr(windows, "datetime", Clock)
        with pytest.raises(
            RefusedError, match=r"(?s)no room for a restart \(15m needed\).*legacy1: .*none of these"
        ) as error:
            windows.require_open(lab.load(), ["app1", "legacy1"], 900)
        assert "next opening with room: 2026-12-05 22:00 Sat" in str(error.value)

    def test_what_was_measured_counts_before_what_policy_expects(self, lab: InventoryCopy):
        loaded = lab.load()
        assert windows.expected_seconds(loaded, ["app1", "db1"], {}) == 900
        assert windows.expected_seconds(loaded, ["app1", "db1"], {"app1": 40, "db1": 70}) == 70
        assert windows.expected_seconds(loaded, ["app1", "db1"], {"app1": 40}) == 900

    def test_the_longest_of_the_last_five_proven_restarts_is_the_measure(self):
        assert windows.measured_seconds(Entries([90, 10, 20, 30, 20, 10]), ["app1"]) == {"app1": 30}


class Entries:
    """A ledger's entries: proven restarts of app1, with others' and odd ones between."""

    def __init__(self, times: list[int]) -> None:
        self.bodies = [self.body(seconds) for seconds in times]
        self.bodies += [{**self.body(500), "check": True}, self.body(600, "failed"), {"tasks": [{"host": "app1"}]}]

    @staticmethod
    def body(seconds: int, status: str = "passed") -> dict[str, Any]:
        item = {"item": "restart", "status": status, "seconds": seconds}
        return {"tasks": [{"host": "app1", "yunwei": {"items": [item]}}, {"host": "x", "yunwei": {"items": [item]}}]}

    def entries(self) -> list[Any]:
        return [type("Entry", (), {"kind": "run-end", "body": body}) for body in self.bodies]


class TestPolicy:
    def test_a_waiver_counts_until_its_last_day_and_then_blocks_again(self, lab: InventoryCopy):
        waiver = "{host: app1, finding: 'mount:/data', reason: a scratch disk, expires: 2026-12-31}"
        lab.edit(MEDIATION, RULES, f"restart: {{waivers: [{waiver}]}}\n")
        loaded = lab.load()
        for now, expected in ((OPEN, ["mount:/data"]), (datetime(2027, 1, 1, tzinfo=UTC), [])):
            one = work.restart_work(loaded, "mediation", False, now)["hosts"]["app1"]
            assert [waived["finding"] for waived in one["waivers"]] == expected
        problem = lab.only_problem(datetime(2027, 1, 1, tzinfo=UTC).date())
        assert (problem.path, problem.stops) == ("restart.waivers[0].expires", False)

    @pytest.mark.parametrize(
        ("rules", "path", "hint"),
        [
            ("{tiers: [database]}", "restart.tiers", None),
            ("{tiers: [database, aplication, application]}", "restart.tiers[1]", "Did you mean 'application'?"),
            ("{tiers: [database, application, database]}", "restart.tiers[2]", None),
            ("{hosts: {ap1: {drain: [/bin/true]}}}", "restart.hosts.ap1", NEAR),
            ("{probes: [{host: ap1, url: 'http://127.0.0.1/', expect: x}]}", "restart.probes[0].host", NEAR),
            ("{probes: [{host: app1, url: 'ftp://127.0.0.1/', expect: x}]}", "restart.probes[0].url", None),
        ],
    )  # fmt: skip
    def test_a_mistake_is_named_with_its_place(self, lab: InventoryCopy, rules: str, path: str, hint: str | None):
        lab.edit(MEDIATION, RULES, f"restart: {rules}\n")
        problem = lab.only_problem()
        assert (problem.file, problem.path, problem.hint) == (MEDIATION, path, hint)

    def test_a_canary_must_be_a_host(self, lab: InventoryCopy):
        lab.edit(ESTATE, "lock:\n", "restart: {canary: app9}\nlock:\n")
        assert lab.only_problem().path == "restart.canary"

    def test_drains_of_all_systems_of_a_host_are_run(self, lab: InventoryCopy):
        for file, place, command in ((MEDIATION, RULES, "[/bin/a, x]"), (LEGALSERVICE, "services: []\n", "[/bin/b]")):
            lab.edit(file, place, f"restart: {{hosts: {{db1: {{drain: {command}}}}}}}\n")
        one = work.restart_work(lab.load(), "mediation", False, OPEN)["hosts"]["db1"]
        assert one["drain"] == [["/bin/b"], ["/bin/a", "x"]]
        other = work.restart_work(lab.load(), "legalservice", False, OPEN)["hosts"]["db1"]
        assert (one["system"], other["system"]) == ("mediation", "legalservice"), "each permit knows its own"
        assert {**one, "system": ""} == {**other, "system": ""}
