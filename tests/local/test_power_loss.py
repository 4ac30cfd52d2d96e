"""Power is lost at the backup server or the second site in every phase: nothing looks good that is not, and the same
command finds its way. The other sides live on: their lines are real SSH connections that break."""

import os

import pytest
from yunwei_host import copy, pull
from yunwei_host.faults import FaultError
from yunwei_host.records import RecordStore
from yunwei_host.restic import Repository
from yunwei_host.resticstream import Writer

from tests.power import forget, lose_power
from tests.real_lines import SYNCING, staged_lines


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with staged_lines(tmp_path_factory.mktemp("power")) as kept:
        yield kept


def backup_server_loses_power(world, act, place, name):
    """Let it lose power where `act` comes to that function, and start again: what it keeps in memory is gone."""
    lose_power(act, place, name)
    forget(world.tmpfs, world.base / "locks")


BACKING_UP = {
    "when the first byte is stored": (Writer, "write"),
    "when the payload is stored whole": (Writer, "finish"),
    "before it is read back": (pull, "read_back"),
    "while the manifest is written": (pull, "_gathered"),
    "before the record is written": (RecordStore, "save"),
}


@pytest.mark.parametrize("point", BACKING_UP)
def test_the_backup_server_loses_power_during_a_backup(stages, monkeypatch, point):
    world = stages.back_to("new", monkeypatch)
    backup_server_loses_power(world, world.back_up, *BACKING_UP[point])
    accepted = point == "before the record is written"  # all was stored and noted: it is taken up, not made again
    assert world.store.load() == []
    assert [item["status"] for item in world.back_up()["items"]] == ["not due" if accepted else "accepted"]
    [record] = world.store.load()
    assert {snap["id"] for snap in world.snapshots()} == {record["record_id"], record["payload"]["snapshot"]}
    assert (world.store.pending(), world.repository.locks()) == ({}, [])
    assert not world.repository.check("all")


COPYING = {
    "before the copy": (Repository, "copy_from"),
    "before the copy is checked": (Repository, "check"),
    "before the receipt": (copy.Copying, "_receipt"),
    "before the proof is written": (RecordStore, "save"),
    "before the copies are told": (copy, "tell_copies"),
}


@pytest.mark.parametrize("point", COPYING)
def test_the_backup_server_loses_power_during_a_sync(stages, monkeypatch, point):
    world = stages.back_to("backed up", monkeypatch)
    backup_server_loses_power(world, world.sync, *COPYING[point])
    told = point == "before the copies are told"
    assert [bool(record["sync"]) for record in world.store.load()] == [told]
    _the_next_sync_passes(world)


@pytest.mark.parametrize("when", SYNCING.values(), ids=SYNCING)
def test_the_second_site_loses_power_during_a_sync(stages, monkeypatch, when):
    world = stages.back_to("backed up", monkeypatch)
    stages.far.lose_power_at(when)
    try:
        summary = world.sync()
    except FaultError:
        assert [bool(record["sync"]) for record in world.store.load()] == [False]
    else:
        assert summary["verdict"] == "failed"
    assert stages.far.line.cuts == 1
    _the_next_sync_passes(world)


def _the_next_sync_passes(world):
    summary = world.sync()
    assert summary["verdict"] == "passed"
    [record] = world.store.load()
    assert record["sync"]["miyun"]["verified_at"]
    assert (world.far.locks(), world.repository.locks(), world.store.pending()) == ([], [], {})
    assert not world.far.check("all")
    assert [name for name in os.listdir(world.base / "sessions") if name.endswith(".session")] == []
