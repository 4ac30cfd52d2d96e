"""What retention keeps, whatever it is told."""

import calendar
import random
import time

import pytest
from yunwei_host.clock import local_time, stamp
from yunwei_host.faults import FaultError, RefusedByPolicyError
from yunwei_host.records import payloads_of
from yunwei_host.retention import demand_permission, plan_retention

DAY = 86400
NOW = calendar.timegm((2026, 7, 1, 12, 0, 0))
ITEM = "database:mediation"


def record(number, days_ago, parents=(), item=ITEM, proven=True, **more):
    name = f"{number:064x}"
    return {
        "record_id": name,
        "item": item,
        "kind": "database",
        "accepted_at": stamp(NOW - days_ago * DAY),
        "payload": {"snapshot": f"{number + 1000:064x}"},
        "parents": [f"{one + 1000:064x}" for one in parents],
        "sync": {"miyun": {"verified_at": "2026-01-01T00:00:00Z"}} if proven else None,
        **more,
    }


def work(**more):
    keep = {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0, **more.pop("keep", {})}
    return {
        "items": [ITEM, "files:app"],
        "keep": keep,
        "max_removals": 1000,
        "legal_holds": [],
        "tripwire_releases": [],
        "needs_site": "miyun",
        "system": "mediation",
        "release": None,
        **more,
    }


def plan(records, unit):
    return plan_retention(records, unit, NOW, time.gmtime)


def removed(records, unit):
    return [int(one["record_id"], 16) for one in plan(records, unit)["remove"]]


def test_keeps_the_newest_and_removes_the_rest_oldest_first():
    assert removed([record(number, number) for number in range(1, 5)], work()) == [4, 3, 2]


@pytest.mark.parametrize("kind", ["logs", "history"])
@pytest.mark.parametrize("site", ["miyun", None])
def test_archives_stay_six_months_whatever_policy_says(site, kind):
    item = f"{kind}:app1"
    records = [record(number, days, item=item, kind=kind) for number, days in enumerate((1, 2, 183, 185, 200))]
    assert removed(records, work(items=[item], needs_site=site)) == [4, 3]
    assert removed(records, work(needs_site=site)) == []


def test_keeps_the_newest_of_each_of_so_many_days():
    records = [record(number, number / 4) for number in range(1, 21)]
    kept = set(plan(records, work(keep={"daily": 3}))["keep"])
    days = {}
    for one in sorted(records, key=lambda one: one["accepted_at"]):
        days[one["accepted_at"][:10]] = one["record_id"]
    assert kept == {days[day] for day in sorted(days)[-3:]}


def test_weeks_months_and_years_are_those_of_the_policy_s_zone():
    zone = local_time("Asia/Shanghai")
    try:
        late, early = (calendar.timegm((2026, 5, 31, hour, 0, 0)) for hour in (15, 17))
        two = [record(1, (NOW - late) / DAY), record(2, (NOW - early) / DAY), record(3, 0)]
        unit = work(keep={"last": 0, "monthly": 12})
        assert plan_retention(two, unit, NOW, zone)["remove"] == []
        two[1]["accepted_at"] = stamp(late + 60)
        assert [one["record_id"] for one in plan_retention(two, unit, NOW, zone)["remove"]] == [two[0]["record_id"]]
    finally:
        local_time("Etc/UTC")


def test_an_unknown_zone_is_refused():
    with pytest.raises(FaultError, match="not known"):
        local_time("Mars/Olympus")


def test_never_removes_what_the_other_site_has_not_proven():
    records = [record(1, 9, proven=False), record(2, 8), record(3, 0)]
    assert removed(records, work()) == [2]
    assert removed(records, work(needs_site=None)) == [1, 2]


BROKEN = [{"damaged": {"at": "x"}}, {"lost": ["payload"]}]


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_one_waits_for_no_proof_once_a_good_successor_is_proven(how):
    broken = record(1, 9, proven=False, **how)
    assert removed([broken, record(2, 0)], work()) == [1]
    assert removed([broken, record(2, 1), record(3, 0, proven=False)], work(keep={"last": 2})) == [1]
    assert removed([broken, record(2, 0, proven=False)], work()) == []
    assert removed([broken, record(2, 0, damaged={"at": "x"})], work()) == []


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_one_that_only_an_older_one_stands_for_stays(how):
    assert removed([record(1, 0, proven=False, **how), record(2, 9)], work()) == []


def test_a_lost_one_stays_under_a_hold_and_at_the_last_site_of_the_chain():
    lost = record(1, 9, proven=False, lost=["payload"])
    hold = {"item": ITEM, "record": f"{1:064x}", "reason": "court", "until": None}
    assert removed([lost, record(2, 0)], work(legal_holds=[hold])) == []
    found = plan([lost, record(2, 0)], work(needs_site=None))
    assert found["keep"][f"{1:064x}"] == ["parts of it are missing: for a person to look at"]


def test_never_removes_what_is_under_a_legal_hold():
    records = [record(1, 9), record(2, 8), record(3, 0)]
    hold = {"item": ITEM, "record": f"{1:064x}"[:64], "reason": "court", "until": None}
    assert removed(records, work(legal_holds=[hold])) == [2]
    assert removed(records, work(legal_holds=[{**hold, "item": "files:app"}])) == [1, 2]


def test_a_suspicious_one_stays_with_the_good_ones_it_names_until_it_is_released():
    trip = {"findings": [{"rule": "r", "text": "rows vanished"}], "holds": [f"{number:064x}" for number in (3, 4)]}
    records = [record(1, 1), record(2, 2, tripwire=trip), *[record(number, number) for number in (3, 4, 5)]]
    found = plan(records, work())
    assert [int(one["record_id"], 16) for one in found["remove"]] == [5]
    assert found["keep"][f"{2:064x}"] == ["suspicious: the tripwire's finding is not released"]
    assert found["keep"][f"{3:064x}"] == ["held by the tripwire until record 000000000000 is released"]
    release = {"item": ITEM, "record": f"{2:064x}", "reason": "looked at"}
    assert removed(records, work(tripwire_releases=[release])) == [5, 4, 3, 2]
    assert removed(records, work(tripwire_releases=[{**release, "item": "files:app"}])) == [5]


def test_a_suspicious_one_is_not_the_newest_good_one():
    trip = {"findings": [{"rule": "r", "text": "rows vanished"}], "holds": []}
    records = [record(1, 1, tripwire=trip), record(2, 2), record(3, 3)]
    assert removed(records, work()) == [3]


def test_never_removes_the_newest_good_one_even_with_nothing_to_keep():
    nothing = work(keep={"last": 0})
    assert removed([record(1, 900)], nothing) == []
    assert removed([record(1, 900), record(2, 3, damaged={"at": "x"})], nothing) == [2]
    assert removed([record(1, 900, damaged={"at": "x"})], nothing) == []


def test_items_that_policy_does_not_name_stay():
    assert removed([record(1, 9, item="files:old"), record(2, 8, item="files:old")], work()) == []


def test_a_record_from_the_future_counts_for_nothing_and_stays():
    records = [record(1, 2), record(2, 1), record(3, -5), record(4, -6)]
    found = plan(records, work())
    assert [int(one["record_id"], 16) for one in found["remove"]] == [1]
    assert found["keep"][f"{3:064x}"] == ["its time lies in the future"]


def test_a_record_in_doubt_takes_no_place_and_stays_with_what_it_is_built_on():
    doubtful = record(3, 0.5, parents=[1], doubt="its time is not true")
    found = plan([record(1, 9), record(2, 1), doubtful], work())
    assert [int(one["record_id"], 16) for one in found["remove"]] == [1]
    assert found["keep"] == {f"{2:064x}": ["the newest good one", "last"], f"{3:064x}": ["its time is not true"]}
    assert found["payloads"] == []


def test_payloads_that_a_kept_backup_is_built_on_stay():
    records = [record(1, 9), record(2, 8, parents=[1]), record(3, 0, parents=[1])]
    found = plan(records, work())
    assert [int(one["record_id"], 16) for one in found["remove"]] == [1, 2]
    assert found["payloads"] == [f"{1002:064x}"]


def test_payloads_of_long_retired_parents_go_with_their_last_child():
    records = [record(2, 8, parents=[1]), record(3, 0)]
    assert plan(records, work())["payloads"] == [f"{1001:064x}", f"{1002:064x}"]


def test_no_more_than_allowed_go_in_one_run_and_what_waits_keeps_its_parents():
    records = [record(1, 9), record(2, 8, parents=[1]), record(3, 0)]
    found = plan(records, work(max_removals=1))
    assert [int(one["record_id"], 16) for one in found["remove"]] == [1]
    assert [int(one["record_id"], 16) for one in found["postponed"]] == [2]
    assert found["payloads"] == []


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_records_nothing_kept_loses_a_payload(seed):
    dice = random.Random(seed)  # noqa: S311  (repeatable, not secret)
    records = []
    for number in range(60):
        parents = dice.sample(range(number), min(number, dice.randrange(3)))
        item = dice.choice([ITEM, "files:app"])
        records.append(record(number, dice.uniform(0, 400), parents, item, proven=dice.random() < 0.9))
    unit = work(keep={"last": 2, "daily": 7, "weekly": 4, "monthly": 6}, max_removals=dice.choice([3, 1000]))
    found = plan(records, unit)
    gone = {one["record_id"] for one in found["remove"]}
    assert len(gone) <= unit["max_removals"]
    stays = [one for one in records if one["record_id"] not in gone]
    assert not {name for one in stays for name in payloads_of(one)} & set(found["payloads"])
    for item in unit["items"]:
        newest = max((one for one in records if one["item"] == item), key=lambda one: one["accepted_at"])
        assert newest in stays


@pytest.mark.parametrize(
    "permission",
    [
        None,
        {},
        {"reference": "", "expires": "2030-01-01"},
        {"reference": "L-1", "expires": "2026-06-30"},
        {"reference": "L-1"},
    ],
    ids=str,
)
def test_without_a_valid_permission_nothing_runs(permission):
    with pytest.raises(RefusedByPolicyError, match="REFUSED") as caught:
        demand_permission(permission, NOW, time.gmtime)
    assert caught.value.why == "permission"


def test_a_permission_holds_on_its_last_day():
    demand_permission({"reference": "L-1", "expires": "2026-07-01"}, NOW, time.gmtime)


UNPROVEN = [record(number, number * 10, proven=False) for number in range(1, 5)]


def release(*numbers, length=64):
    return {"records": [f"{number:064x}"[:length] for number in numbers], "reason": "Miyun is away, the disk is full"}


def test_an_early_release_removes_exactly_what_it_names_though_the_other_site_has_not_proven_it():
    assert removed(UNPROVEN, work()) == []
    proven = [record(5, 60), record(6, 70)]
    assert removed(UNPROVEN + proven, work(release=release(3))) == [3]
    kept = plan(UNPROVEN + proven, work(release=release(3)))["keep"]
    assert kept[f"{5:064x}"] == ["the early release does not name it"]
    assert removed(UNPROVEN + proven, work()) == [6, 5]


def test_a_beginning_of_an_id_names_a_record_only_where_it_is_the_only_one():
    with pytest.raises(
        FaultError, match="record 000000000000 of the early release names 4 backups of system mediation"
    ):
        removed(UNPROVEN, work(release=release(3, length=12)))
    with pytest.raises(FaultError, match="names 0 backups"):
        removed(UNPROVEN, work(release=release(9)))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "the newest good one, last"),
        ({"legal_holds": [{"item": ITEM, "record": f"{2:064x}", "reason": "case 7"}]}, "legal hold: case 7"),
        ({"keep": {"last": 2}}, "last"),
        ({"items": ["files:app"]}, "policy names no such item"),
    ],
)
def test_an_early_release_releases_nothing_that_must_stay_for_another_reason(more, why):
    named = release(1 if not more else 2)
    with pytest.raises(FaultError, match=f"stays, also in an early release: .*{why.split(', ')[-1]}"):
        removed(UNPROVEN, work(release=named, **more))


def test_an_early_release_takes_no_more_than_a_run_may_remove():
    with pytest.raises(FaultError, match="names 3 records; the rule allows 2 removals a run"):
        removed(UNPROVEN, work(release=release(2, 3, 4), max_removals=2))
