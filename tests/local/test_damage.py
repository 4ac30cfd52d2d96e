"""Damage of this site's repository, of every kind of file: found, marked, mended, taken again; nothing waits for it."""

import json
import os
from pathlib import Path

import pytest
from yunwei_host import catalogue, retire

from tests.pull_world import TwoSites
from tests.stages import Stages


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """One backup of files, not copied yet."""
    with pytest.MonkeyPatch.context() as patch:
        made = TwoSites(tmp_path_factory.mktemp("damage"), patch)
        made.only("files")
        change(made)
        made.back_up()
        kept = Stages(made)
        kept.keep("backed up")
    return kept


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("backed up", monkeypatch)


def change(world):
    """Let the source have nothing in common with what it had."""
    (world.tree / "letter").write_bytes(os.urandom(700_000))


def file_of(world, kind):
    """Return the file that the payload's content, its list of files, an index or a snapshot lies in."""
    folder = Path(world.work["repository"])
    if kind in ("data", "tree"):
        name = max(packs(world, kind))[1]
        return folder / "data" / name[:2] / name
    (record,) = world.store.load()
    return folder / "snapshots" / record["payload"]["snapshot"] if kind == "snapshot" else min(folder.glob("index/*"))


def packs(world, kind):
    """Return [(bytes, name)] of the packs with blobs of `kind`."""
    found = []
    for name in world.repository.names_of("index"):
        index = json.loads(world.repository.call(["cat", "index", name, "--no-lock"])[0])
        for pack in index["packs"]:
            size = sum(blob["length"] for blob in pack["blobs"] if blob["type"] == kind)
            found += [(size, pack["id"])] if size else []
    return found


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    rewrite(path, bytes(data))


def rewrite(path, data):
    path.chmod(0o600)
    path.write_bytes(data)


def lose(path):
    path.unlink()


def flip_start(path):
    flip(path, 40)


def flip_end(path):
    flip(path, -1)


def cut(path):
    rewrite(path, path.read_bytes()[:-10])


def verify(world, part):
    names = ("system", "repository", "records")
    work = {name: world.work[name] for name in names}
    work.update(site="local", items=["files:app"], remote=None, tripwire_releases=[], part=part)
    return catalogue.verify_backups(work, world.permit(), world.secrets)


def retire_old(world, **more):
    work = {name: world.work[name] for name in ("system", "repository", "records", "time")}
    keep = {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0}
    work.update(site="local", items=["files:app"], keep=keep, max_removals=20, rejected_days=30, alert_days=0)
    work.update(permission={"reference": "LAB-1", "expires": "2099-12-31"}, legal_holds=[], tripwire_releases=[])
    work.update(needs_site="miyun", release=None, timezone="Asia/Shanghai", **more)
    return retire.retire(work, "backup1", world.permit(), world.secrets)[0]


def line(summary):
    return summary["items"][0]["status"]


# What is done to which file, how much is read to find it, and whether the backup is whole again without that file.
DAMAGES = [
    (lose, "data", None, False),
    (flip_start, "data", "all", False),
    (flip_end, "data", "all", False),
    (cut, "data", None, False),
    (flip_start, "tree", "all", False),
    (lose, "index", None, True),
    (flip_start, "index", None, True),
    (lose, "snapshot", None, False),
    (flip_start, "snapshot", None, False),
]


@pytest.mark.parametrize(("harm", "kind", "part", "heals"), DAMAGES)
def test_damage_is_found_mended_and_taken_again_and_nothing_waits_for_it(world, harm, kind, part, heals):
    (record,) = world.store.load()
    harm(file_of(world, kind))
    found = verify(world, part)[0]
    assert found["verdict"] == "failed"
    assert found["damage"] or found["lost"] == [record["record_id"]]
    change(world)
    again = world.back_up()
    assert (again["verdict"], line(again)) == ("passed", "not due" if heals else "accepted"), again
    assert world.back_up(now=True)["verdict"] == "passed"
    copied = world.sync()
    assert (copied["verdict"], copied["lost"]) == ("passed", [])
    retired = retire_old(world)
    assert [one["status"] for one in retired["items"]] == ["removed"] * (1 if heals else 2), retired
    assert verify(world, "all")[0]["damage"] == []
    assert world.store.pending() == {}


@pytest.mark.parametrize(("harm", "kind"), [(lose, "data"), (flip_start, "data"), (flip_start, "tree")])
def test_a_verification_marks_at_once_what_a_harmed_pack_belongs_to(world, harm, kind):
    (record,) = world.store.load()
    harm(file_of(world, kind))
    found, changed = verify(world, "all" if harm is flip_start else None)
    assert (found["damaged_records"], changed) == ([record["record_id"]], True)
    (marked,) = world.store.load()
    assert marked["damaged"]["packs"] == found["damaged_packs"]


@pytest.mark.parametrize(("harm", "kind"), [(lose, "data"), (flip_start, "index"), (flip_start, "snapshot")])
def test_damage_that_a_back_up_meets_itself_stops_one_run_at_most(world, harm, kind):
    harm(file_of(world, kind))
    change(world)
    world.misbehave(fault="fails midway", after=100_000)
    assert line(world.back_up(now=True)) == "failed"
    world.misbehave()
    again = world.back_up(now=True)
    assert (again["verdict"], line(again)) == ("passed", "accepted"), again


def test_a_damaged_backup_under_a_legal_hold_stays_and_stops_nothing(world):
    (record,) = world.store.load()
    lose(file_of(world, "data"))
    verify(world, None)
    change(world)
    world.back_up()
    world.sync()
    change(world)
    world.back_up(now=True)
    world.sync()
    hold = {"item": "files:app", "record": record["record_id"], "reason": "court", "until": None}
    retired = retire_old(world, legal_holds=[hold])
    assert (retired["items"][0]["status"], retired["verdict"]) == ("removed", "failed")
    assert "damage keeps its space" in retired["items"][-1]["reason"]
    assert world.back_up(now=True)["verdict"] == "passed"
    assert retire_old(world)["items"][0]["status"] == "removed"
    assert verify(world, "all")[0]["verdict"] == "passed"
