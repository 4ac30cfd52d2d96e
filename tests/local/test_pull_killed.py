"""A backup killed at any point leaves nothing that looks good; the same command again finds its way."""

import os
import time
from pathlib import Path

import pytest
from yunwei_host import leftovers, pull
from yunwei_host.records import RecordStore
from yunwei_host.repository import make_repository
from yunwei_host.restic import Repository

from tests.pull_world import World, die, killed
from tests.stages import Stages, processes_that_name


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = World(tmp_path_factory.mktemp("killed"), patch)
        made.only("files")
        (made.tree / "file").write_bytes(os.urandom(1 << 20))
        make_repository(made.repository)
        kept = Stages(made)
        kept.keep("empty repository")
    return kept


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("empty repository", monkeypatch)


@pytest.fixture
def large(world):
    """More files than fit into a pack and a chunk: restic has stored some of them before it has seen them all."""
    (world.tree / "large").write_bytes(os.urandom(28 << 20))
    return world


def _at(place, name):
    """Return a run of the world's backup that dies when it comes to `name` of `place`."""

    def act(world):
        setattr(place, name, die)
        world.back_up()

    return act


def _accepted_again(world):
    summary = world.back_up()
    assert [item["status"] for item in summary["items"]] == ["accepted"], summary
    _only_the_records_snapshots(world)
    return summary


def _only_the_records_snapshots(world):
    records = world.store.load()
    assert {snap["id"] for snap in world.snapshots()} == {
        name for one in records for name in (one["record_id"], one["payload"]["snapshot"])
    }
    assert world.store.pending() == {}
    assert world.repository.locks() == []
    assert not world.repository.check("all")
    assert os.listdir(world.tmpfs) == []


def test_killed_while_the_payload_flows(large):
    large.misbehave(fault="silent midway", after=26 << 20)
    killed(large.back_up, when=lambda: bool(large.store.pending()) and _packs(large) > 0)
    assert large.snapshots("manifest") == []
    assert large.store.load() == []
    large.misbehave()
    summary = _accepted_again(large)
    assert summary["swept"]["space"]["given_back"] > 0


def test_killed_between_payload_and_read_back(world):
    killed(lambda: _at(pull, "read_back")(world))
    assert len(world.snapshots("payload")) == 1
    assert len(_accepted_again(world)["swept"]["forgotten"]) == 1


def test_killed_while_the_manifest_is_written(world):
    killed(lambda: _at(pull, "_gathered")(world))
    _await_the_end_of_restic(world)
    assert world.snapshots("manifest") == []
    _accepted_again(world)


def test_killed_between_manifest_and_record_the_backup_is_accepted_after_all(world):
    killed(lambda: _at(RecordStore, "save")(world))
    assert len(world.snapshots("manifest")) == 1
    assert world.store.load() == []
    summary = world.back_up()
    (record,) = world.store.load()
    assert summary["swept"]["adopted"] == [record["record_id"]]
    assert summary["items"][0]["status"] == "not due"
    assert summary["items"][0]["manifest_sha256"] == record["manifest_sha256"]
    _only_the_records_snapshots(world)


def test_a_manifest_that_is_not_the_noted_one_is_not_accepted(world):
    killed(lambda: _at(RecordStore, "save")(world))
    (name,) = world.store.pending()
    note = world.store.pending()[name]
    note["record"]["manifest_sha256"] = "0" * 64
    world.store.note(name, note)
    assert _accepted_again(world)["swept"]["adopted"] == []


def test_killed_while_it_gives_space_back(large):
    large.misbehave(fault="fails midway", after=26 << 20)
    killed(lambda: _at(Repository, "prune")(large))
    large.misbehave()
    _accepted_again(large)


def test_a_lock_of_a_killed_restic_is_removed_and_one_of_a_live_process_is_named(world):
    world.back_up()
    killed(lambda: _lock_and_die(world))
    locks = world.repository.locks()
    assert len(locks) == 1
    assert world.back_up(now=True)["swept"]["locks"] == [locks[0]["id"]]


def test_snapshots_of_others_are_named_and_never_touched(world):
    world.back_up()
    writer = world.repository.start_backup("mediation", "/files-app.payload", ["yunwei", "payload", "item:files:app"])
    writer.write(b"forged")
    forged = writer.finish()
    summary = world.back_up(now=True)
    assert summary["unknown_snapshots"] == [forged]
    assert forged in {snap["id"] for snap in world.snapshots()}


def _lock_and_die(world):
    """Leave the lock of a restic that was killed itself."""
    writer = world.repository.start_backup("mediation", "/x", [])
    while not world.repository.locks():
        time.sleep(0.05)
    writer._child.kill()
    writer._child.wait()
    die()


def _await_the_end_of_restic(world):
    """It was starting when it was left alone; until it finds its input at an end it holds a lock, and rightly."""
    deadline = time.time() + 120
    while processes_that_name(world.work["repository"]):
        assert time.time() < deadline, "restic does not end"
        time.sleep(0.01)


def _packs(world):
    return sum(len(path.name) == 64 for path in (Path(world.work["repository"]) / "data").rglob("*") if path.is_file())


def test_the_files_that_a_killed_restic_was_writing_are_removed(tmp_path):
    (tmp_path / "data").mkdir()
    names = ["a" * 64, "a" * 64 + "-tmp-1234", "other-tmp-1"]
    for name in names:
        (tmp_path / "data" / name).touch()
    leftovers.remove_unfinished(str(tmp_path))
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted([names[0], names[2]])


def test_what_a_note_names_but_a_record_needs_stays():
    notes = [{"kind": "retire", "run": "r", "records": ["m1"], "payloads": ["p1", "p2"]}]
    records = [{"record_id": "m2", "payload": {"snapshot": "p2"}, "parents": []}]
    snapshots = [{"id": name, "tags": []} for name in ("p1", "p2", "m2")]
    assert leftovers.half_retired(notes, snapshots) == ["m1"]
    assert leftovers.useless_snapshots(notes, records, snapshots) == ["p1"]
