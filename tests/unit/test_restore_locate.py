"""Which snapshot is restored."""

import pytest
from yunwei_host import clock
from yunwei_restore import locate
from yunwei_restore.errors import BadBackupError, NotJudgedError

NOW = clock.moment("2026-03-10T12:00:00Z")
ITEM = "database:mediation"


def snapshot(number, kind="manifest", **changes):
    entry = {
        "id": f"{number:064x}",
        "time": f"2026-03-{number:02d}T01:30:00.123456789+08:00",
        "hostname": "mediation",
        "paths": [f"/database-mediation.{kind}"],
        "tags": ["yunwei", kind, f"item:{ITEM}", f"run:r-{number}"],
    }
    return {**entry, **changes}


def chosen(listed, record=None):
    items, _ignored = locate.sort_snapshots(listed, "mediation")
    return locate.candidates(items.get(ITEM), ITEM, record, NOW)


def test_takes_the_newest_manifest_first():
    found, ignored = chosen([snapshot(3), snapshot(9), snapshot(5)])
    assert [one["id"][-1] for one in found] == ["9", "5", "3"]
    assert ignored == []


def test_a_snapshot_of_the_future_is_reported_and_not_used():
    found, ignored = chosen([snapshot(9), snapshot(12)])
    assert [one["id"][-1] for one in found] == ["9"]
    assert ignored == [{"snapshot": f"{12:064x}", "why": "its time lies in the future"}]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hostname": "legalservice"}, "host name"),
        ({"tags": ["manifest", f"item:{ITEM}"]}, "not made by this library"),
        ({"tags": ["yunwei", "manifest", "payload", f"item:{ITEM}"]}, "not made by this library"),
        ({"tags": ["yunwei", "manifest"]}, "not made by this library"),
        ({"paths": ["/etc/passwd"]}, "its path is not"),
        ({"time": "yesterday"}, "its time"),
    ],
)
def test_a_strange_snapshot_is_never_used(changes, why):
    items, ignored = locate.sort_snapshots([snapshot(9, **changes)], "mediation")
    assert items == {}
    assert why in ignored[0]["why"]


def test_a_copied_snapshot_answers_to_its_first_id():
    copied = snapshot(9, original=f"{77:064x}")
    found, _ = chosen([copied], record=f"{77:064x}")
    assert (found[0]["id"], found[0]["site_id"]) == (f"{77:064x}", f"{9:064x}")


def test_no_backup_at_all_is_a_bad_backup():
    with pytest.raises(BadBackupError, match="no backup at all"):
        chosen([])


def test_payloads_without_a_manifest_are_told_apart_from_nothing():
    with pytest.raises(BadBackupError, match="manifest missing"):
        chosen([snapshot(9, "payload")])


def test_a_payload_newer_than_the_chosen_manifest_has_lost_its_own():
    items, _ = locate.sort_snapshots([snapshot(5), snapshot(5, "payload"), snapshot(9, "payload")], "mediation")
    found = locate.unclaimed_payload(items[ITEM], items[ITEM]["manifests"][0], NOW)
    assert found["id"] == f"{9:064x}"
    same_run = [snapshot(5), snapshot(9, "payload", tags=["yunwei", "payload", f"item:{ITEM}", "run:r-5"])]
    items, _ = locate.sort_snapshots(same_run, "mediation")
    assert locate.unclaimed_payload(items[ITEM], items[ITEM]["manifests"][0], NOW) is None


def test_a_record_asked_for_must_be_there_once():
    listed = [snapshot(0xAAAAAAAA01 % 28, id="a" * 63 + "1"), snapshot(4, id="a" * 63 + "2")]
    assert chosen(listed, "a" * 63 + "2")[0][0]["id"].endswith("2")
    with pytest.raises(NotJudgedError, match="fits 2 backups"):
        chosen(listed, "aaaaaaaa")
    with pytest.raises(BadBackupError, match="no backup at all with record"):
        chosen(listed, "bbbbbbbb")
    with pytest.raises(NotJudgedError, match="not a record id"):
        chosen(listed, "xyz")


def test_a_payload_that_is_not_at_the_site_is_named():
    items, _ = locate.sort_snapshots([snapshot(5, "payload", original=f"{50:064x}")], "mediation")
    assert locate.payload_id_at_site(items[ITEM], f"{50:064x}", ITEM) == f"{5:064x}"
    with pytest.raises(BadBackupError, match="payload missing"):
        locate.payload_id_at_site(items[ITEM], f"{51:064x}", ITEM)
