"""What an inspection makes of a site's answer: each figure on both sides of its limit, and what is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.inspection_samples import (
    DAY,
    END,
    GIB,
    NOW,
    document,
    entry,
    lab_policy,
    ledger_entries,
    site_facts,
    visit,
)
from yunwei.inspection.facts import Facts
from yunwei.inspection.visit import Clock, Visit
from yunwei.policy import Policy

Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return lab_policy(tmp_path_factory.mktemp("lab"))


def changed(site: str, change: Change, system: str = "mediation") -> Facts:
    facts = site_facts(site, system)
    change(facts)
    return facts


def wrong(found: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    lines = [one for one in found["checks"] if one["status"] in ("finding", "unknown")]
    return [(one["place"], one["cause"], one["severity"]) for one in lines]


def test_a_site_in_order_passes_and_every_line_is_good(policy: Policy):
    found = document(policy)
    assert (found["verdict"], wrong(found)) == ("passed", [])
    assert {one["status"] for one in found["checks"]} == {"good"}


def test_a_replica_is_read_only_by_right_and_never_said_to_refuse_removal(tmp_path: Path):
    replica = "    kind: vendor_replica\n    share_name: box1\n    share_path: /mnt/box1\n"
    frozen = changed("miyun", put("disks", 0, "read_only", to=True))
    found = document(lab_policy(tmp_path, replica), [visit("miyun", facts=frozen)])
    assert wrong(found) == [("miyun/mediation", "probe_impossible", "low")]


def lock(age: float) -> dict[str, Any]:
    return {"name": f"{age:064.0f}", "since": END - age}


def put(*path: Any, to: Any) -> Change:
    """Return a change of one value in an answer."""

    def change(facts: Any) -> None:
        *before, last = path
        for key in before:
            facts = facts[key]
        facts[last] = to

    return change


AS_IS = object()
SNAPSHOT = ("repository", "newest_snapshot")
RECEIPT = ("receipt_key", "made")
ITEMS = ["files:app", "database:mediation"]
# Site, figure, a value within the limit, one beyond, and what is found then.
LIMITS: list[tuple[str, tuple[Any, ...], Any, Any, str]] = [
    ("local", ("load", "fifteen_minutes"), 8.0, 8.1, "load_high"),
    ("local", ("memory", "available_bytes"), 16 * GIB // 10 + 1, 16 * GIB // 10, "memory_low"),
    ("miyun", ("disks", 1, "free_bytes"), 6 * GIB, 6 * GIB - 1, "disk_full"),
    ("miyun", ("disks", 0, "free_inodes"), 150, 149, "disk_inodes"),
    ("miyun", ("disks", 0, "read_only"), False, True, "disk_frozen"),
    ("miyun", ("arrays", 0, "working"), 4, 3, "array_degraded"),
    ("local", ("host_keys", 0, "made"), END - 1825 * DAY, END - 1826 * DAY, "hostkey_old"),
    ("miyun", RECEIPT, END - 1825 * DAY, END - 1826 * DAY, "receipt_old"),
    ("miyun", ("receipt_key", "sha256"), AS_IS, "0" * 64, "receipt_differs"),
    ("local", ("host_lock",), END - DAY / 2, END - DAY / 2 - 1, "hostlock_long"),
    ("local", ("repository", "locks"), [lock(3600)], [lock(0), lock(3601)], "lock_stale"),
    ("miyun", SNAPSHOT, END - 2 * DAY, END - 2 * DAY - 1, "newest_old"),
    ("miyun", SNAPSHOT, END + 600, END + 601, "newest_future"),
    ("miyun", SNAPSHOT, AS_IS, None, "newest_absent"),
    ("miyun", ("repository",), AS_IS, None, "size_absent"),
    ("local", ("repository", "keys"), ["a" * 64], ["a" * 64, "b" * 64], "keys_changed"),
    ("local", ("repository", "keys"), ["a" * 64], [], "keys_changed"),
    ("miyun", ("repository", "keys"), ["a" * 64], ["a" * 64, "b" * 64], "keys_unpinned"),
    ("miyun", ("repository", "pinned_keys"), ["a" * 64], ["b" * 64], "keys_unpinned"),
    ("miyun", ("repository", "used_bytes"), 900 * GIB, 900 * GIB + 1, "quota_near"),
    ("miyun", ("repository", "used_bytes"), 900 * GIB, 1000 * GIB, "quota_spent"),
    ("miyun", ("repository", "quota_bytes"), AS_IS, None, "quota_unset"),
    ("local", ("accounts", 0, "foreign"), 0, 1, "accounts_foreign"),
    ("miyun", ("accounts", 0, "keys"), AS_IS, ["0" * 64], "authorized_differs"),
    ("local", ("accounts",), AS_IS, [], "authorized_differs"),
    ("miyun", ("rules", "items"), ITEMS, ITEMS[:1], "rules_differ"),
    ("miyun", ("rules", "legal_holds"), [], [{"record": "x"}], "rules_differ"),
    ("local", ("programs", "shell.py"), AS_IS, "0" * 64, "programs_differ"),
]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit[-1])
def test_a_figure_is_judged_by_its_limit(policy: Policy, limit: tuple[Any, ...]):
    site, figure, within, beyond, cause = limit
    if within is not AS_IS:
        assert wrong(document(policy, [visit(site, facts=changed(site, put(*figure, to=within)))])) == []
    found = wrong(document(policy, [visit(site, facts=changed(site, put(*figure, to=beyond)))]))
    assert [one[1] for one in found] == [cause]
    assert found[0][2] in ("high", "medium", "low")


@pytest.mark.parametrize(
    ("fact", "cause"),
    [("load", "load"), ("memory", "memory"), ("disks", "disk"), ("arrays", "array"), ("host_keys", "hostkey"),
     ("repository", "size"), ("programs", "programs"), ("receipt_key", "receipt"), ("rules", "rules")],
)  # fmt: skip
def test_a_fact_that_was_not_read_could_not_be_judged(policy: Policy, fact: str, cause: str):
    facts = changed("miyun", put(fact, to=None))
    facts["unread"][fact] = "Permission denied"
    found = document(policy, [visit("miyun", facts=facts)])
    lines = [one for one in found["checks"] if one["status"] == "unknown"]
    assert {(one["what"], one["cause"]) for one in lines} == {(cause, "unread")}
    assert "Permission denied" in lines[0]["evidence"]
    assert found["verdict"] == "could not judge"


def test_accounts_that_were_not_read_leave_strangers_and_keys_unjudged(policy: Policy):
    facts = changed("miyun", put("accounts", to=None))
    found = document(policy, [visit("miyun", facts=facts)])
    assert [one["what"] for one in found["checks"] if one["status"] == "unknown"] == ["accounts", "authorized"]


@pytest.mark.parametrize(
    ("clock", "cause"),
    [
        (Clock(-5.0, 5.0), "clock_good"),
        (Clock(3.0, 5.0), "clock_good"),
        (Clock(5.1, 6.0), "clock_off"),
        (Clock(-9.0, -5.1), "clock_off"),
        (Clock(-1.0, 60.0), "clock_unsure"),
        (Clock(2.0, -2.0), "clock_unsure"),
    ],
)
def test_a_clock_is_judged_only_as_sharply_as_it_was_measured(policy: Policy, clock: Clock, cause: str):
    found = document(policy, [Visit("local", "mediation", site_facts("local"), clock, key_made=NOW)])
    assert cause in {one["cause"] for one in found["checks"] if one["what"] == "clock"}


def test_space_is_forecast_from_an_inspection_of_a_day_ago_or_more(policy: Policy):
    def growth(free: int, age: timedelta) -> Any:
        before = entry("inspection", {"measures": {"local": {"free_bytes": free}}}, age)
        found = document(policy, [visit("local")], [before, *ledger_entries()[1:]])
        return next(one for one in found["checks"] if one["what"] == "growth")

    fast = growth(2400 * GIB + 300 * GIB, timedelta(days=10))
    assert (fast["cause"], fast["severity"], fast["values"]["left_seconds"]) == ("growth_fast", "medium", 80 * DAY)
    assert growth(2400 * GIB + 10 * GIB, timedelta(days=10))["cause"] == "growth_good"
    assert growth(2300 * GIB, timedelta(days=10))["cause"] == "growth_none"
    assert growth(2500 * GIB, timedelta(hours=23))["status"] == "none"


def test_a_job_is_judged_by_its_last_run_for_that_system(policy: Policy):
    def job(*runs: tuple[dict[str, Any], timedelta]) -> dict[str, Any]:
        body = {"job": "back-up", "exit_code": 0, "permits": [{"systems": ["mediation"]}]}
        entries = [entry("run-end", {**body, **more}, age) for more, age in runs]
        found = document(policy, [], entries)
        return next(one for one in found["checks"] if one["place"] == "mediation" and one["what"] == "job")

    hour = timedelta(hours=1)
    bad = {"host": "backup1", "status": "failed", "yunwei": {"system": "mediation", "reason": "disk full"}}
    other = {"host": "backup1", "status": "failed", "yunwei": {"system": "legalservice"}}
    own = {"host": "backup1", "status": "ok", "yunwei": {"system": "mediation"}}
    assert job()["cause"] == "job_never"
    assert job(({"check": True}, hour))["cause"] == "job_never"
    assert job(({"permits": [{"systems": ["legalservice"]}]}, hour))["cause"] == "job_never"
    assert job(({}, timedelta(days=2)))["cause"] == "job_good"
    assert job(({}, timedelta(days=2, seconds=1)))["cause"] == "job_old"
    failed = job(({"exit_code": 1, "tasks": [other, bad]}, hour), ({}, 2 * hour))
    assert (failed["cause"], failed["values"]["reason"]) == ("job_failed", "disk full")
    assert job(({"exit_code": 1, "tasks": [other, own]}, hour))["cause"] == "job_good"
    assert job(({"exit_code": 1, "permits": [], "reason": "Vault is sealed"}, hour))["cause"] == "job_failed"


def test_keys_of_ours_grow_old(policy: Policy):
    old = Visit(
        "local", "mediation", site_facts("local"), Clock(0, 0), key_made=NOW - timedelta(days=366), public_key=""
    )
    assert "access_old" in {one["cause"] for one in document(policy, [old])["checks"]}


def test_an_inventory_that_does_not_hold_the_handed_over_key_cannot_judge_it(policy: Policy, tmp_path: Path):
    site = policy.estate.sites.miyun.model_copy(update={"handed_over_keys": None})
    sites = policy.estate.sites.model_copy(update={"miyun": site})
    estate = policy.estate.model_copy(update={"sites": sites})
    without = replace(policy, estate=estate)
    assert wrong(document(without, [visit("miyun")])) == [("miyun/mediation", "authorized_unset", None)]


def test_rules_whose_permission_has_expired_here_are_a_finding(policy: Policy):
    system = policy.system("mediation")
    expired = system.retention[1].permission.model_copy(update={"expires": (NOW - timedelta(days=2)).date()})
    rules = [rule.model_copy(update={"permission": expired}) for rule in system.retention]
    systems = {**policy.systems, "mediation": system.model_copy(update={"retention": rules})}
    found = document(replace(policy, systems=systems), [visit("miyun")])
    assert wrong(found) == [("miyun/mediation", "rules_refused", "high")]


def test_what_was_measured_is_kept_for_the_next_inspection(policy: Policy):
    found = document(policy, [visit("miyun"), Visit("local", "mediation", fault="timed out")])
    assert found["measures"] == {
        "miyun": {"free_bytes": 2400 * GIB},
        "miyun/mediation": {"bytes": 700 * GIB, "keys": ["a" * 64]},
    }
