"""Retirement at work: explicit ids, space given back, killed anywhere, at either site."""

import os
import time
from pathlib import Path

import pytest
from yunwei_host import retire
from yunwei_host.acting import what_went_wrong
from yunwei_host.faults import RefusedByPolicyError
from yunwei_host.records import RecordStore
from yunwei_host.restic import Repository

from tests.pull_world import die, killed, left_untouched
from tests.retire_world import DAY, at_miyun, run, statuses, synced, whole


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    return synced(tmp_path_factory.mktemp("retire"))


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("synced", monkeypatch)


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
    return at_miyun(world)


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


@pytest.mark.parametrize("site", ["local", "miyun"])
def test_a_disk_that_fills_is_foretold_at_either_site(world, second, site, monkeypatch):
    monkeypatch.setattr(retire, "disk_bytes", lambda folder: (30_000_000, 20_500_000))
    store = RecordStore(str(world.base / "site-records")) if site == "miyun" else world.store
    store.keep_usage([[time.time() - age * DAY, 30_000_000 - age * 1_000_000] for age in range(1, 31)])
    act = second if site == "miyun" else lambda check=False, **more: run(world, check, **more)
    with left_untouched(world.base / "mediation"):
        plan = act(check=True)
    line = plan["items"][-1]
    assert (line["item"], line["status"], plan["verdict"]) == (f"site:{site}", "failed", "failed")
    assert "full in 20 days (alert at 30): 20500000 bytes are free, " in what_went_wrong(plan)
    assert plan["capacity"]["growth_a_day"] == pytest.approx(1_000_000, rel=0.01)
    assert plan["capacity"]["days_until_full"] == 20
    assert statuses(act()) == ["removed", "removed", "failed"], "told, and all the same removed"
    calm = act(alert_days=10)
    assert (statuses(calm), calm["capacity"]["alert"], calm.get("verdict")) == ([], False, None)
    assert len(store.usage()) == 31


def test_what_the_second_site_retired_is_not_sent_again(world, second):
    second()
    assert world.sync()["snapshots"] == 0


def test_a_hold_at_the_second_site_may_name_the_first_site_s_record(world, second):
    oldest = world.store.load()[0]
    hold = {"item": "files:app", "record": oldest["record_id"][:12], "reason": "court", "until": None}
    assert len(statuses(second(legal_holds=[hold]))) == 1


def test_files_made_by_root_get_the_store_s_owner(world, second):
    config = Path(world.far.location) / "config"
    os.chown(config, 4242, 4242)
    second()
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in [config.parent, *config.parent.rglob("*")]}
    assert owners == {(4242, 4242)}


def _unproven(world):
    """Return the oldest record, of which the second site's proof is gone: as after a long outage."""
    oldest = world.store.load()[0]
    world.store.save({**oldest, "sync": None})
    return oldest["record_id"]


APPROVED = {"approval": {"id": "a1", "by": "duty-officer", "emergency": ""}}


def test_an_approved_early_release_removes_exactly_what_it_names(world):
    name = _unproven(world)
    release = {"records": [name[:12]], "reason": "Miyun is away"}
    planned = run(world, check=True, release=release)
    assert statuses(planned) == ["would remove"]
    plan = {"sha256": "0" * 64, "hosts": {"backup1": {"mediation": planned["plan"]["digest"]}}}
    summary = run(world, release=release, permit={**world.permit(), **APPROVED, "plan": plan})
    assert (statuses(summary), summary["release"]) == (["removed"], release)
    assert len(world.store.load()) == 2
    whole(world)


def test_without_an_approval_what_the_second_site_has_not_proven_stays(world):
    name = _unproven(world)
    with left_untouched(world.base / "mediation"), pytest.raises(RefusedByPolicyError, match="names no approval"):
        run(world, release={"records": [name], "reason": "Miyun is away"})
    run(world)
    assert name in {one["record_id"] for one in world.store.load()}


def test_a_repository_that_is_not_as_planned_loses_nothing(world):
    planned = run(world, check=True)
    assert statuses(planned) == ["would remove", "would remove"]
    plan = {"sha256": "f" * 64, "hosts": {"backup1": {"mediation": planned["plan"]["digest"]}}}
    _unproven(world)
    with pytest.raises(RefusedByPolicyError, match=r"backup1 is not as it was when plan f{16} was made"):
        run(world, permit={**world.permit(), "plan": plan})
    assert len(world.store.load()) == 3
