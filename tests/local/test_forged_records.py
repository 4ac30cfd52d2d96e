"""Forged, late and repeated backups at the second site: what counts there is told apart by its own clock alone."""

import json
import os
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from yunwei_host.clock import moment, stamp
from yunwei_host.faults import FaultError
from yunwei_host.records import RecordStore

from tests.retire_world import DAY, at_miyun, run, statuses, synced

BACK_DATED = "it says that it is no newer than one of its item that came here before it"
BACK_DATED_ONES = 5
PAYLOAD = ["yunwei", "payload", "item:files:app", "run:r-dead"]
RIGHT = ["yunwei", "manifest", "item:files:app", "run:r-test-1"]


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    return synced(tmp_path_factory.mktemp("forged"))


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("synced", monkeypatch)


@pytest.fixture
def second(world):
    """The second site's own administrator, with his own rules and password."""
    return at_miyun(world)


def test_a_manifest_that_names_nothing_here_is_put_aside_and_counts_for_nothing(world, second):
    record = world.store.load()[-1]
    writer = world.far.start_backup("mediation", "/files-app.manifest", ["yunwei", "manifest", "item:files:app"])
    line = {**record, "t": "record", "payload": {**record["payload"], "snapshot": "f" * 64}}
    writer.write(json.dumps(line).encode() + b"\n")
    forged = writer.finish()
    summary = second()
    assert summary["quarantined"] == [{"snapshot": forged, "why": "its payload ffffffffffffffff is not here"}]
    assert forged in {snap["id"] for snap in world.far.snapshots()}


def test_a_manifest_made_after_it_arrived_is_put_aside(world, second):
    record = world.store.load()[-1]
    line = {**record, "t": "record", "finished": stamp(time.time() + 5 * DAY)}
    writer = world.far.start_backup("mediation", "/files-app.manifest", ["yunwei", "manifest", "item:files:app"])
    writer.write(json.dumps(line).encode() + b"\n")
    forged = writer.finish()
    assert {"snapshot": forged, "why": "it says that it was made after it came here"} in second()["quarantined"]


def arrive(world, record, payload, finished):
    """Add a true-looking backup of files as an appender can: that payload, and then a manifest; return its id."""
    writer = world.far.start_backup("mediation", "/files-app.manifest", ["yunwei", "manifest", "item:files:app"])
    line = {**record, "t": "record", "finished": finished, "parents": []}
    line["payload"] = {**record["payload"], "snapshot": payload}
    writer.write(json.dumps(line).encode() + b"\n")
    return writer.finish()


def far_payload(world):
    writer = world.far.start_backup("mediation", "/files-app.payload", PAYLOAD)
    writer.write(os.urandom(1000))
    return writer.finish()


def later(record, seconds):
    return stamp(moment(record["finished"]) + seconds)


def test_true_looking_backups_of_the_past_take_no_place_of_the_real_ones(world, second):
    rule = {"keep": {"last": 1, "daily": 3}}
    before = second(check=True, **rule)
    assert (statuses(before), before["kept"]) == ([], 3)
    first, middle, newest = world.store.load()
    payloads = [far_payload(world) for _ in range(3)]
    moments = [later(first, 30), later(middle, 30), newest["finished"]]
    forged = [arrive(world, first, *one) for one in zip(payloads, moments, strict=True)]
    found = second(**rule)
    assert statuses(found) == []
    why = {line["snapshot"]: line["why"] for line in found["quarantined"]}
    assert why == {**dict.fromkeys(payloads, "no accepted manifest names it"), **dict.fromkeys(forged, BACK_DATED)}
    assert found["kept_because"] == {**before["kept_because"], BACK_DATED: 3}
    learned = RecordStore(str(world.base / "site-records")).load()
    assert [one["first_id"] for one in learned] == [one["record_id"] for one in (first, middle, newest)]


def came(world, name, at):
    """Let a snapshot have come to the second site at another time."""
    os.utime(os.path.join(world.far.location, "snapshots", name), (at, at))


def test_honest_backups_of_a_clock_that_was_fast_or_on_a_share_of_whole_seconds_count(world, second):
    newest, now = world.store.load()[-1], int(time.time())
    times = [("clock fast", 400, 60), ("clock set right", 90, 120), ("newer", 200, 300), ("older", 190, 300)]
    for _, claimed, arrived in times:
        came(world, arrive(world, newest, far_payload(world), stamp(now + claimed)), now + arrived)
    found = second(keep={"last": 9})
    assert (found["quarantined"], found["kept"]) == ([], 7)
    learned = RecordStore(str(world.base / "site-records")).load()[3:]
    assert [moment(one["accepted_at"]) - now for one in learned] == [60, 90, 190, 200]


def test_a_sync_that_broke_off_and_a_backup_that_was_taken_again_leave_none_aside(world, second):
    for name, size in (("one", 1), ("two", 24)):
        (world.tree / name).write_bytes(os.urandom(size << 20))
        world.back_up(now=True)
    world.site_misbehaves(**{"cut after": 14 << 20})
    with pytest.raises(FaultError):
        world.sync()
    half = len(world.far.snapshots())
    damaged = world.store.load()[-1]
    world.store.save({**damaged, "damaged": {"at": stamp(), "packs": []}})
    world.site_misbehaves()
    world.back_up(now=True)
    world.sync()
    assert 6 < half < len(world.far.snapshots()), "it broke off between two backups"
    assert BACK_DATED not in [line["why"] for line in second(keep={"last": 9})["quarantined"]]
    learned = RecordStore(str(world.base / "site-records")).load()
    wanted = [one["record_id"] for one in world.store.load() if one["record_id"] != damaged["record_id"]]
    assert [one["first_id"] for one in learned] == wanted


def forged_line(dice, record):
    """Return what a forged manifest begins with: never a true record of a payload of its own."""
    changed = {
        "other system": {"system": "legalservice"},
        "other item": {"item": "files:other"},
        "payload missing": {"payload": {**record["payload"], "snapshot": "f" * 64}},
        "of the future": {"finished": stamp(time.time() + 5 * DAY)},
        "no time": {"finished": "soon"},
        "parents of another kind": {"parents": 7},
        "tripwire of another kind": {"tripwire": ["x"]},
    }
    kind = dice.choice([*["once more"] * 6, "no JSON", "a list", "deep", *changed])
    others = {"no JSON": b"forged", "a list": b"[]", "deep": b"[" * 5000}
    return others.get(kind) or json.dumps({**record, **changed.get(kind, {})}).encode()


def forge(world, seed):
    """Store a backup as a stranger with the repository's password would; return the ids of its snapshots."""
    dice = random.Random(seed)  # noqa: S311  (repeatable, not secret)
    if seed < BACK_DATED_ONES:
        real = dice.choice(world.store.load()[:-1])
        payload = put(world, PAYLOAD, os.urandom(1000), path="/files-app.payload")
        line = {**real, "t": "record", "finished": later(real, 30), "payload": {**real["payload"], "snapshot": payload}}
        text = json.dumps(line).encode() + b"\n"
        return [payload, put(world, RIGHT, text)]
    tags = dice.choice([RIGHT, RIGHT, RIGHT, ["yunwei", "payload", *RIGHT[2:]], ["yunwei", "manifest"], ["mine"]])
    dated = dice.choice(["2001-01-01 00:00:00", "2099-12-31 23:59:59", stamp()[:10] + " 00:00:00"])
    host = dice.choice(["mediation", "mediation", "mediation", "other"])
    path = dice.choice(["/files-app.manifest", "/files-app.manifest", "/files-app.manifest", "/other.manifest"])
    content = forged_line(dice, dice.choice(world.store.load())) + b"\n"
    return [put(world, tags, content, path, host=host, time=dated)]


def put(world, tags, content, path="/files-app.manifest", **more):
    """Store one file as a snapshot; return its id."""
    named = {"host": "mediation", "time": "2001-01-01 00:00:00", "stdin-filename": path, **more}
    words = ["backup", "--json", "--stdin", *(f"--{name}={value}" for name, value in named.items())]
    words += [word for tag in tags for word in ("--tag", tag)]
    child = world.repository.start(words, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL)
    said, _ = child.communicate(content)
    return next(
        name
        for name in os.listdir(os.path.join(world.repository.location, "snapshots"))
        if name.startswith(json.loads(said.splitlines()[-1])["snapshot_id"])
    )


def test_of_fifty_forged_snapshots_none_changes_what_is_kept_at_either_site(world, second):
    rule = {"keep": {"last": 2, "daily": 2, "weekly": 1, "monthly": 0, "yearly": 0}}
    before = run(world, check=True, **rule), second(check=True, **rule)
    assert [statuses(plan) for plan in before] == [["would remove"]] * 2
    with ThreadPoolExecutor(4) as pool:
        forged = {name for names in pool.map(lambda seed: forge(world, seed), range(50)) for name in names}
    world.far.copy_from(world.repository, sorted(forged))
    there = {snap["id"] for snap in world.far.snapshots() if snap.get("original") in forged}
    for act, plan, strangers in zip((run, second), before, (forged, there), strict=True):
        words = (world,) if act is run else ()
        found = act(*words, check=True, **rule)
        assert len(strangers) == 50 + BACK_DATED_ONES
        assert {line["snapshot"] for line in found["quarantined"]} == strangers
        beside = found["kept_because"].pop(BACK_DATED, 0)
        assert beside == (0 if act is run else BACK_DATED_ONES)
        assert (found["items"], found["kept"] - beside, found["kept_because"]) == (
            plan["items"],
            plan["kept"],
            plan["kept_because"],
        )
        assert statuses(act(*words, **rule)) == ["removed"]
    left = {snap["id"] for snap in world.snapshots()} | {snap["id"] for snap in world.far.snapshots()}
    assert forged | there <= left, "what nobody here made is named, never removed"
