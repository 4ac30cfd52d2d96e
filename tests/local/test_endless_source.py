"""A source that never stops sending: it ends at the disk's reserve or at a limit, leaves nothing, and harms nobody."""

import pytest
from yunwei_host import backup
from yunwei_host.repository import make_repository

from tests.mounts import mount_disk, own_mounts
from tests.pull_world import World
from tests.stages import processes_that_name

MIB = 1 << 20


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


def refused(world, kind, of):
    """Back up from a source that sends without end; return the line of the item after a look that nothing is left."""
    world.only(kind)
    world.misbehave(fault="endless", of=of)
    [item] = world.back_up()["items"]
    assert item["status"] == "failed"
    assert (world.snapshots(), world.store.load(), world.store.pending()) == ([], [], {})
    assert world.repository.locks() == []
    assert not [path for path in (world.base / "mediation/repo/data").rglob("*") if path.is_file()]
    assert processes_that_name(str(world.base)) == [], "the source still sends"
    return item


def accepted(world):
    world.misbehave()
    return [item["status"] for item in world.back_up()["items"]] == ["accepted"]


@pytest.mark.parametrize("kind", ["files", "database"])
def test_endless_payload_is_stopped_at_the_disk_s_reserve_and_its_space_given_back(world, kind):
    reserve, room = backup.RESERVE_BYTES // MIB, 64
    with own_mounts():
        (world.base / "mediation").mkdir()
        mount_disk(world.base / "mediation", reserve + room)
        make_repository(world.repository)
        item = refused(world, kind, "random")
        assert "is full up to its reserve: " in item["reason"]
        assert f"{reserve * MIB} must stay; give it space or let retention run" in item["reason"]
        # It looks every 64 MiB.
        assert item["sent_bytes"] <= (room + 64) * MIB
        assert accepted(world)


def test_endless_payload_that_takes_no_space_is_stopped_at_the_limit_of_bytes(world, monkeypatch):
    assert backup.LIMITS.payload_bytes == 1 << 44
    monkeypatch.setattr(backup, "LIMITS", backup.Limits(payload_bytes=64 * MIB))
    item = refused(world, "files", "zeros")
    assert f"more than the allowed {64 * MIB} bytes of frame D" in item["reason"]
    assert item["sent_bytes"] == 64 * MIB
    assert accepted(world)


@pytest.mark.parametrize(("kind", "of"), [("files", "file"), ("database", "table")])
def test_an_endless_manifest_fills_the_run_s_folder_only_and_says_so(world, kind, of):
    with own_mounts():
        mount_disk(world.tmpfs, 4)
        item = refused(world, kind, of)
        assert f"the manifest does not fit into {world.tmpfs}/yunwei-run-mediation-" in item["reason"]
        assert "No space left on device; look whether the source really has so many" in item["reason"]
        assert accepted(world)
