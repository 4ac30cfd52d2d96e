"""What is copied to the second site, in which order, and what a receipt proves."""

import pytest
from yunwei_host.copyplan import ids_at_site, plan_copy, proof


def record(name, parents=(), item="files:app", proven=False, **more):
    return {
        "record_id": f"manifest-{name}",
        "item": item,
        "payload": {"snapshot": f"payload-{name}"},
        "parents": [f"payload-{one}" for one in parents],
        "accepted_at": f"2026-01-0{name}T00:00:00Z",
        "sync": {"miyun": {"verified_at": "2026-01-01T00:00:00Z"}} if proven else None,
        **more,
    }


def plan(records, there=(), here=None):
    every = {name for one in records for name in (one["record_id"], one["payload"]["snapshot"], *one["parents"])}
    return plan_copy(records, ["files:app"], "miyun", every if here is None else here, dict.fromkeys(there, "x"))


def test_a_manifest_follows_every_payload_that_it_names():
    found = plan([record(1), record(2, parents=[1])])
    assert found["snapshots"] == ["payload-1", "manifest-1", "payload-2", "manifest-2"]


def test_a_parent_whose_own_record_is_gone_is_copied_too():
    assert plan([record(2, parents=[1])])["snapshots"] == ["payload-1", "payload-2", "manifest-2"]


def test_what_is_there_is_not_copied_again():
    assert plan([record(1)], there=["payload-1"])["snapshots"] == ["manifest-1"]
    assert plan([record(1)], there=["payload-1", "manifest-1"])["copy"] == []


def test_what_the_second_site_retired_is_not_pressed_on_it_again():
    found = plan([record(1, proven=True), record(2, proven=True)], there=["payload-2", "manifest-2"])
    assert (found["copy"], [one["record_id"] for one in found["gone"]]) == ([], ["manifest-1"])


def test_the_newest_backup_that_vanished_there_is_copied_again():
    assert plan([record(1, proven=True)])["snapshots"] == ["payload-1", "manifest-1"]


def test_what_is_incomplete_or_damaged_here_is_not_copied():
    assert plan([record(1)], here=["manifest-1"])["lost"] == [record(1)]
    assert plan([record(1, damaged={"at": "x"})])["snapshots"] == []


def test_a_damaged_one_that_has_a_good_successor_holds_nothing_up():
    found = plan([record(1, damaged={"at": "x"}), record(2)])
    assert (found["lost"], len(found["replaced"]), found["snapshots"]) == ([], 1, ["payload-2", "manifest-2"])


def test_a_lost_one_that_has_a_good_successor_holds_nothing_up():
    found = plan([record(1), record(2)], here=["manifest-1", "payload-2", "manifest-2"])
    assert (found["lost"], found["replaced"], found["snapshots"]) == ([], [record(1)], ["payload-2", "manifest-2"])


@pytest.mark.parametrize("successor", [record(2), record(2, damaged={"at": "x"})])
def test_a_lost_one_whose_successor_is_no_good_either_is_lost(successor):
    assert record(1) in plan([record(1), successor], here=["manifest-1", "manifest-2"])["lost"]


def test_an_item_that_policy_does_not_name_is_reported():
    assert plan([record(1, item="files:other")])["other"] == [record(1, item="files:other")]


def test_a_receipt_proves_a_record_only_when_it_names_all_of_it():
    there = {"payload-1": "a", "payload-2": "b", "manifest-2": "c"}
    receipt = {"time": "2026-01-01T00:00:00Z", "snapshots": ["a", "b", "c"]}
    assert proof(record(2, parents=[1]), there, receipt, "how") == {
        "manifest": "c",
        "payload": "b",
        "parents": {"payload-1": "a"},
        "verified_at": "2026-01-01T00:00:00Z",
        "how": "how",
    }
    assert proof(record(2, parents=[1]), there, {**receipt, "snapshots": ["b", "c"]}, "how") is None
    assert proof(record(3), there, receipt, "how") is None


def test_snapshots_are_known_by_the_id_of_their_first_life():
    assert ids_at_site([{"id": "b", "original": "a"}, {"id": "c"}]) == {"a": "b", "c": "c"}
