"""Retirement of what was never accepted: after its days, with its reason, never what a lost record may have named."""

import json
import os
import subprocess
import time

import pytest
from yunwei_host import retire

from tests.pull_world import left_untouched
from tests.retire_world import DAY, run, statuses, synced, whole


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    return synced(tmp_path_factory.mktemp("retire"))


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("synced", monkeypatch)


def stray(world, tags, moment="2001-01-01 00:00:00"):
    """Store a snapshot that no record names; return its id."""
    words = ["backup", "--json", "--stdin", "--time", moment, "--host", "mediation", "--stdin-filename", "/stray"]
    words += [word for tag in tags for word in ("--tag", tag)]
    child = world.repository.start(words, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL)
    said, _ = child.communicate(os.urandom(1000))
    short = json.loads(said.splitlines()[-1])["snapshot_id"]
    (found,) = [snap["id"] for snap in world.snapshots() if snap["id"].startswith(short)]
    return found


def days_later(world, monkeypatch, days):
    monkeypatch.setattr(retire.time, "time", lambda now=time.time: now() + days * DAY)


PAYLOAD = ["yunwei", "payload", "item:files:app", "run:r-dead"]


def test_what_was_never_accepted_expires_alone_with_its_reason(world, monkeypatch):
    rejected = stray(world, PAYLOAD)
    first = run(world, keep={"last": 9})
    assert (first["items"], [line["snapshot"] for line in first["quarantined"]]) == ([], [rejected])
    seen = world.store.rejected()[rejected]
    assert "run r-dead ended before its manifest was stored" in seen["why"]
    days_later(world, monkeypatch, 29)
    assert run(world, keep={"last": 9})["items"] == []
    days_later(world, monkeypatch, 2)
    with left_untouched(world.base / "mediation"):
        plan = run(world, check=True, keep={"last": 9})
    assert [(line["item"], line["status"]) for line in plan["items"]] == [(f"snapshot:{rejected[:12]}", "would remove")]
    done = run(world, keep={"last": 9})
    assert (statuses(done), done["quarantined"], done["changed"]) == (["removed"], [], True)
    assert f"first seen {seen['first_seen']}" in done["items"][0]["reason"]
    assert len(world.store.load()) == 3
    whole(world)
    kept = world.store.rejected()[rejected]
    assert (kept["first_seen"], bool(kept["removed_at"])) == (seen["first_seen"], True)
    assert run(world, keep={"last": 9})["changed"] is False


def test_at_most_so_many_removals_a_run_count_what_was_never_accepted_too(world, monkeypatch):
    for _ in range(3):
        stray(world, PAYLOAD)
    run(world, keep={"last": 9})
    days_later(world, monkeypatch, 31)
    assert statuses(run(world, max_removals=3)) == ["removed", "removed", "removed", "postponed", "postponed"]
    assert statuses(run(world, max_removals=3)) == ["removed", "removed"]
    assert len(world.store.load()) == 1
    whole(world)


def test_what_may_belong_to_a_lost_record_waits_for_a_person(world, monkeypatch):
    lost = world.store.load()[0]
    run(world, keep={"last": 9})
    world.store.remove(lost["record_id"])
    stray(world, PAYLOAD)
    run(world, keep={"last": 9})
    days_later(world, monkeypatch, 400)
    found = run(world, keep={"last": 9})
    assert statuses(found) == []
    assert lost["record_id"] in {line["snapshot"] for line in found["quarantined"]}
    for record in world.store.load():
        world.store.remove(record["record_id"])
    assert statuses(run(world)) == []
    assert len(world.snapshots()) == 7
