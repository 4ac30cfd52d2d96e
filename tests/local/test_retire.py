"""Retirement at work: explicit ids, space given back, killed anywhere, at either site."""

import os
import time
from pathlib import Path

import pytest
from yunwei_host import pull, retire
from yunwei_host.clock import stamp
from yunwei_host.faults import RefusedByPolicyError
from yunwei_host.records import RecordStore
from yunwei_host.restic import Repository

from tests.pull_world import FAR_PASSWORD, TwoSites, die, killed, left_untouched
from tests.stages import Stages

DAY = 86400


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Three proven backups of a file set, the older ones made days ago; the second builds on the first."""
    with pytest.MonkeyPatch.context() as patch:
        made = TwoSites(tmp_path_factory.mktemp("retire"), patch)
        made.only("files")
        for number, age in enumerate((20, 10, 0)):
            (made.tree / f"file{number}").write_bytes(os.urandom(1 << 20))
            with patch.context() as then:
                then.setattr(pull, "stamp", lambda seconds=None, age=age: stamp((seconds or time.time()) - age * DAY))
                made.back_up(now=True)
        made.sync()
        kept = Stages(made)
        kept.keep("synced")
    return kept


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("synced", monkeypatch)


def unit(world, **more):
    return {
        "system": "mediation",
        "site": "local",
        "repository": world.work["repository"],
        "records": world.work["records"],
        "items": ["files:app"],
        "keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0},
        "max_removals": 20,
        "permission": {"reference": "LAB-1", "expires": "2099-12-31"},
        "legal_holds": [],
        "needs_site": "miyun",
        "timezone": "Asia/Shanghai",
        "time": "2026-01-01T00:00:00Z",
        **more,
    }


def run(world, check=False, **more):
    summary, changed = retire.retire(unit(world, **more), world.permit(), world.secrets, check)
    return {**summary, "changed": changed}


def statuses(summary):
    return [line["status"] for line in summary["items"]]


def whole(world):
    """Assert that every record has its snapshots, nothing else is there, and everything reads."""
    records = world.store.load()
    needed = {name for one in records for name in (one["record_id"], one["payload"]["snapshot"], *one["parents"])}
    assert {snap["id"] for snap in world.snapshots()} == needed
    assert world.repository.check("all") == []
    assert world.store.pending() == {}


def test_removes_records_and_what_nothing_needs_any_more(world):
    summary = run(world)
    assert statuses(summary) == ["removed", "removed"]
    assert summary["permission"] == "LAB-1"
    assert len(world.store.load()) == 1
    whole(world)
    again = run(world)
    assert (again["items"], again["changed"]) == ([], False)


def test_payloads_that_the_newest_is_built_on_stay_and_it_restores(world):
    newest = world.store.load()[-1]
    assert newest["parents"]
    run(world)
    there = {snap["id"] for snap in world.snapshots()}
    assert set(newest["parents"]) <= there


def test_check_mode_says_what_would_go_and_changes_nothing(world):
    with left_untouched(world.base / "mediation"):
        summary = run(world, check=True)
    assert statuses(summary) == ["would remove", "would remove"]


def test_space_is_given_back(world, monkeypatch):
    world.work["items"][0]["full_every_days"] = 0
    for path in world.tree.iterdir():
        path.unlink()
    (world.tree / "other").write_bytes(b"small")
    world.back_up(now=True)
    world.sync()
    summary = run(world)
    assert summary["space"]["given_back"] > 1 << 19
    whole(world)


def test_an_expired_permission_is_refused_before_anything(world):
    with left_untouched(world.base / "mediation"), pytest.raises(RefusedByPolicyError, match="LAB-1 expired"):
        run(world, permission={"reference": "LAB-1", "expires": "2020-01-01"})


def test_unknown_snapshots_are_named_and_stay(world):
    writer = world.repository.start_backup("mediation", "/files-app.manifest", ["yunwei", "manifest", "item:files:app"])
    writer.write(b"forged")
    forged = writer.finish()
    summary = run(world)
    assert summary["quarantined"] == [{"snapshot": forged, "why": "no record names it"}]
    assert forged in {snap["id"] for snap in world.snapshots()}


@pytest.mark.parametrize("step", ["forget", "prune"])
def test_killed_midway_the_next_run_brings_it_to_its_end(world, step):
    def act():
        done = Repository.forget
        if step == "prune":
            Repository.prune = die
        else:
            Repository.forget = lambda self, names: (done(self, names[:1]), die())
        run(world)

    killed(act)
    run(world)
    assert len(world.store.load()) == 1
    whole(world)


def test_a_hold_set_after_a_kill_still_holds(world):
    killed(lambda: (setattr(Repository, "forget", die), run(world)))
    oldest = world.store.load()[0]
    hold = {"item": "files:app", "record": oldest["record_id"][:12], "reason": "court", "until": None}
    run(world, legal_holds=[hold])
    assert oldest["record_id"] in {one["record_id"] for one in world.store.load()}
    whole(world)


@pytest.fixture
def second(world):
    """The second site's own administrator, with his own rules and password."""
    records = str(world.base / "site-records")
    far = {"site": "miyun", "repository": world.far.location, "records": records, "needs_site": None}
    return lambda check=False, **more: retire.retire(
        {**unit(world), **far, **more}, world.permit(), {"repository-miyun": {"password": FAR_PASSWORD}}, check
    )[0]


def test_the_second_site_learns_its_records_from_what_lies_there(world, second):
    plan = second(check=True)
    assert statuses(plan) == ["would remove", "would remove"]
    assert not (world.base / "site-records").exists()
    summary = second()
    assert statuses(summary) == ["removed", "removed"]
    assert summary["quarantined"] == []
    there = {snap["original"] for snap in world.far.snapshots()}
    newest = world.store.load()[-1]
    assert there == {newest["record_id"], newest["payload"]["snapshot"], *newest["parents"]}
    assert world.far.check("all") == []
    assert len(RecordStore(str(world.base / "site-records")).load()) == 1
    assert statuses(second()) == []


def test_what_the_second_site_retired_is_not_sent_again(world, second):
    second()
    assert world.sync()["snapshots"] == 0


def test_a_hold_at_the_second_site_may_name_the_first_site_s_record(world, second):
    oldest = world.store.load()[0]
    hold = {"item": "files:app", "record": oldest["record_id"][:12], "reason": "court", "until": None}
    assert len(statuses(second(legal_holds=[hold]))) == 1


def test_a_manifest_that_names_nothing_here_is_put_aside_and_counts_for_nothing(world, second):
    record = world.store.load()[-1]
    writer = world.far.start_backup("mediation", "/files-app.manifest", ["yunwei", "manifest", "item:files:app"])
    line = {**record, "t": "record", "payload": {**record["payload"], "snapshot": "f" * 64}}
    import json

    writer.write(json.dumps(line).encode() + b"\n")
    forged = writer.finish()
    summary = second()
    assert summary["quarantined"] == [{"snapshot": forged, "why": "its payload ffffffffffffffff is not here"}]
    assert forged in {snap["id"] for snap in world.far.snapshots()}


def test_a_manifest_made_after_it_arrived_is_put_aside(world, second):
    record = world.store.load()[-1]
    line = {**record, "t": "record", "finished": stamp(time.time() + 5 * DAY)}
    import json

    writer = world.far.start_backup("mediation", "/files-app.manifest", ["yunwei", "manifest", "item:files:app"])
    writer.write(json.dumps(line).encode() + b"\n")
    forged = writer.finish()
    assert {"snapshot": forged, "why": "it says that it was made after it came here"} in second()["quarantined"]


def test_files_made_by_root_get_the_store_s_owner(world, second):
    config = Path(world.far.location) / "config"
    os.chown(config, 4242, 4242)
    second()
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in [config.parent, *config.parent.rglob("*")]}
    assert owners == {(4242, 4242)}
