"""What is listed and read back: only what was accepted counts, absence is said, damage is found and taken again."""

from pathlib import Path

import pytest
from yunwei_host import catalogue
from yunwei_host.faults import FaultError

from tests.pull_world import World
from tests.stages import Stages


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = World(tmp_path_factory.mktemp("catalogue"), patch)
        made.only("database")
        made.back_up()
        kept = Stages(made)
        kept.keep("backed up")
    return kept


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("backed up", monkeypatch)


def unit(world, **more):
    names = ("system", "repository", "records")
    items = [item["item"] for item in world.work["items"]]
    here = {"site": "local", "items": items, "remote": None, "tripwire_releases": []}
    return {**{name: world.work[name] for name in names}, **here, **more}


def verify(world, part):
    return catalogue.verify_backups(unit(world, part=part), world.permit(), world.secrets)


def test_lists_what_was_accepted_and_names_the_rest(world):
    writer = world.repository.start_backup("mediation", "/database-main.payload", ["yunwei", "payload", "x\x1b[31m"])
    writer.write(b"forged")
    forged = writer.finish()
    listed = catalogue.list_backups(unit(world), world.secrets)
    (record,) = world.store.load()
    (line,) = listed["items"]
    assert (line["record"], line["status"], line["full"], line["miyun"]) == (record["record_id"], "present", True, None)
    assert [one["snapshot"] for one in listed["unknown"]] == [forged]
    assert "\x1b" not in str(listed["unknown"])
    assert listed["missing"] == []


def test_an_item_without_backup_is_said(world):
    listed = catalogue.list_backups(unit(world, items=["database:main", "files:app"]), world.secrets)
    assert listed["missing"] == ["files:app"]
    assert verify(world, None)[0]["verdict"] == "passed"
    summary, _ = catalogue.verify_backups(unit(world, items=["files:app"], part="all"), world.permit(), world.secrets)
    assert (summary["verdict"], summary["missing"]) == ("failed", ["files:app"])


def test_a_flipped_byte_is_found_its_backup_marked_and_taken_again(world):
    (record,) = world.store.load()
    pack = largest_pack(world)
    spoil(pack)
    assert verify(world, None)[0]["verdict"] == "passed", "the structure alone does not show it"
    summary, changed = verify(world, "all")
    assert (summary["verdict"], changed) == ("failed", True)
    assert summary["damaged_packs"] == [pack.name]
    assert summary["damaged_records"] == [record["record_id"]]
    again = world.back_up()
    assert again["items"][0]["status"] == "accepted", again
    assert again["swept"]["mended"] == {"aside": [pack.name], "marked": []}
    assert verify(world, "all")[0]["damage"] == []


def test_a_lost_pack_and_a_lost_snapshot_are_found(world):
    (record,) = world.store.load()
    snapshot = Path(world.work["repository"]) / "snapshots" / record["payload"]["snapshot"]
    snapshot.rename(world.base / "aside")
    summary, _ = verify(world, None)
    assert (summary["verdict"], summary["lost"]) == ("failed", [record["record_id"]])
    assert world.back_up()["items"][0]["status"] == "accepted"


@pytest.mark.parametrize("part", ["0/3", "1/2;rm"])
def test_a_part_is_n_of_t_or_all(world, part):
    with pytest.raises(FaultError, match="allowed are n/t"):
        verify(world, part)


def test_next_parts_read_everything_in_turn_and_damage_in_one_delays_no_other(world):
    read, damaged = [], []
    pack = largest_pack(world)
    part = int(pack.name[:2], 16) % 3 + 1
    spoil(pack)
    for _ in range(3):
        summary = verify(world, "next/3")[0]
        read.append(summary["read"])
        damaged += [summary["read"]] if summary["damage"] else []
    assert read == ["1/3", "2/3", "3/3"]
    assert damaged == [f"{part}/3"]
    assert verify(world, "next/3")[0]["read"] == "1/3"


def test_a_turn_whose_part_could_not_be_read_is_repeated(world):
    index = next((Path(world.work["repository"]) / "index").iterdir())
    whole = index.read_bytes()
    spoil(index)
    assert verify(world, "next/2")[0]["verdict"] == "failed"
    index.write_bytes(whole)
    assert (verify(world, "next/2")[0]["read"], verify(world, "next/2")[0]["read"]) == ("1/2", "2/2")


def largest_pack(world):
    return max((Path(world.work["repository"]) / "data").rglob("?" * 64), key=lambda path: path.stat().st_size)


def spoil(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
