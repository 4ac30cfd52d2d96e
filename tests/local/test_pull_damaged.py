"""Dumps and file streams damaged on their way at seeded places, and sources killed at ten: none of it is accepted."""

import os
import random

import pytest
from yunwei_host.repository import make_repository

from tests.pull_world import DUMP, World

SEED = 20261123
PLACES = 20
KILOBYTE = 1024
VERBS = {"database": "dump", "files": "files"}


def places(size):
    """Return so many seeded places in a stream of `size` bytes; two each lie in its first and last kilobyte."""
    dice = random.Random(SEED)  # noqa: S311 - no secret: a red run must be repeatable
    ends = [dice.randrange(KILOBYTE), 0, -1 - dice.randrange(KILOBYTE), -1]
    return ends + [dice.randrange(size) for _ in range(PLACES - len(ends))]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = World(tmp_path_factory.mktemp("damaged"), patch)
        made.content = os.urandom(1 << 18)
        (made.tree / "file").write_bytes(made.content)
        make_repository(made.repository)
        yield made


def pull_each(world, kind, damages):
    """Pull one item for each damage, and one that is whole, in one run; return {name: its line}."""
    engine = "postgresql" if kind == "database" else None
    names = [f"m{number:02}" for number in range(len(damages))]
    world.work["items"] = [world._item(kind, name, engine) for name in [*names, "whole"]]
    verb = VERBS[kind]
    world.misbehave(each={f"{verb} {name}": damage for name, damage in zip(names, damages, strict=True)})
    summary = world.back_up(now=True)
    lines = {item["item"].partition(":")[2]: item for item in summary["items"]}
    whole = lines.pop("whole")
    assert whole["status"] == "accepted", whole
    assert len(lines) == len(damages)
    return lines


def nothing_is_left_but_the_whole_ones(world):
    needed = {name for one in world.store.load() for name in (one["record_id"], one["payload"]["snapshot"])}
    assert {record["item"].partition(":")[2] for record in world.store.load()} == {"whole"}
    assert {snap["id"] for snap in world.snapshots()} == needed
    assert world.repository.locks() == []
    assert world.store.pending() == {}


# A tar stream has more at its end than its content; places there are counted from the end.
SIZES = {"database": DUMP.stat().st_size, "files": 1 << 18}


@pytest.mark.parametrize("what", ["cut", "flip"])
@pytest.mark.parametrize("kind", SIZES)
def test_damage_on_the_line_is_refused_wherever_it_is(world, kind, what):
    found = pull_each(world, kind, [{"wire": [what, place]} for place in places(SIZES[kind])])
    reason = {"cut": "answer ends inside", "flip": "trailer says sha256"}[what]
    assert [(line["status"], reason in line["reason"]) for line in found.values()] == [("failed", True)] * PLACES
    nothing_is_left_but_the_whole_ones(world)


def test_a_dump_cut_before_it_was_hashed_is_refused_wherever_it_ends(world):
    size = SIZES["database"]
    found = pull_each(world, "database", [{"cut": place % size} for place in places(size)])
    assert {name: line["status"] for name, line in found.items()} == dict.fromkeys(found, "failed")
    nothing_is_left_but_the_whole_ones(world)


@pytest.mark.parametrize("kind", SIZES)
def test_a_source_killed_at_any_of_ten_points_leaves_nothing_that_looks_good(world, kind):
    found = pull_each(world, kind, [{"wire": ["kill", point]} for point in range(10)])
    assert {name: line["status"] for name, line in found.items()} == dict.fromkeys(found, "failed")
    nothing_is_left_but_the_whole_ones(world)
