"""A disk that is really full, of the repository or of the second site: what did not fit leaves nothing and is named."""

import os

import pytest
from yunwei_host import backup
from yunwei_host.faults import FaultError
from yunwei_host.repository import make_repository

from tests.mounts import mount_disk, own_mounts, resize_disk
from tests.pull_world import TwoSites

MIB = 1 << 20


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = TwoSites(tmp_path, monkeypatch)
    made.only("files")
    made.sync_work["items"] = ["files:app"]
    monkeypatch.setattr(backup, "RESERVE_BYTES", 0)
    return made


def test_a_backup_that_fills_the_repository_s_disk_is_refused_and_its_space_given_back(world):
    large = world.tree / "large"
    with own_mounts():
        mount_disk(world.base / "mediation", 30)
        make_repository(world.repository)
        large.write_bytes(os.urandom(40 * MIB))
        [item] = world.back_up()["items"]
        assert item["status"] == "failed"
        assert "full" in item["reason"] or "no space left" in item["reason"], item["reason"]
        assert (world.snapshots(), world.store.load(), world.repository.locks()) == ([], [], [])
        assert not [path for path in (world.base / "mediation/repo/data").rglob("*") if path.is_file()]
        large.write_bytes(os.urandom(MIB))
        assert [one["status"] for one in world.back_up()["items"]] == ["accepted"]


# What the site keeps free may be less than what is on its way at any moment: then the disk really fills.
@pytest.mark.parametrize("kept_free_mib", [24, 0])
def test_a_copy_that_fills_the_second_site_s_disk_counts_nothing_and_goes_on_when_there_is_room(world, kept_free_mib):
    (world.tree / "large").write_bytes(os.urandom(40 * MIB))
    world.back_up()
    world.limit_site(keep_free_bytes=kept_free_mib * MIB)
    with own_mounts():
        mount_disk(world.base / "miyun", 38)
        (world.base / "miyun/mediation").mkdir()
        with pytest.raises(FaultError, match="refused by that site: the disk:"):
            world.sync()
        assert not any(record["sync"] for record in world.store.load())
        resize_disk(world.base / "miyun", 200)
        assert world.sync()["verdict"] == "passed"
