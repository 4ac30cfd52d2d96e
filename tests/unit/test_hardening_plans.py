"""A stored plan of hardening on one host: what would be done is what was planned, or nothing is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from yunwei_host.faults import RefusedByPolicyError

from tests.harden_world import AGE, ALL, EMPTY, LOGIN_DEFS, World

LATER = "r-20260302T013000-bbbbbb"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _plan_of(digest: str) -> dict[str, Any]:
    return {"sha256": "f" * 64, "hosts": {"app1": {"mediation": digest}}}


def test_a_stored_plan_is_looked_at_and_carried_out_as_it_was_made(world: World):
    digest = world.harden(check=True)[0]["plan"]["digest"]
    assert world.harden(plan=_plan_of(digest), look=True) == ({"plan": {"digest": digest}, "items": []}, False)
    assert world.harden(plan=_plan_of(digest))[0]["plan"]["digest"] == digest
    world.guard("confirm")
    again, changed = world.harden(LATER, plan=_plan_of(digest))
    assert (changed, again["verdict"]) == (False, "passed"), "the call for another system of the host"


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.write("etc/login.defs", LOGIN_DEFS.replace("99999", "60")),
        lambda world: world.write("etc/login.defs", LOGIN_DEFS.replace("comment", "another")),
        lambda world: (world.root / "etc/login.defs").chmod(0o666),
        lambda world: setattr(world, "rules", [AGE, EMPTY]),
    ],
    ids=["value", "text beside it", "mode", "rules"],
)
def test_what_is_not_as_planned_is_refused_before_anything_is_changed(world: World, change: Any):
    digest = world.harden(check=True)[0]["plan"]["digest"]
    change(world)
    before = world.picture()
    for look in (True, False):
        with pytest.raises(RefusedByPolicyError, match="app1 is not as it was when plan"):
            world.harden(plan=_plan_of(digest), look=look)
    assert world.picture() == before


def test_the_look_refuses_a_host_that_is_as_wanted_by_now_and_what_nobody_accepted(world: World):
    digest = world.harden(check=True)[0]["plan"]["digest"]
    world.rules = [{**AGE, "undo": "none"}]
    other = world.harden(check=True)[0]["plan"]["digest"]
    with pytest.raises(RefusedByPolicyError, match="age cannot be undone"):
        world.harden(plan=_plan_of(other), look=True)
    world.rules = list(ALL)
    world.confirmed()
    with pytest.raises(RefusedByPolicyError, match="app1 is not as it was when plan"):
        world.harden(plan=_plan_of(digest), look=True)


def test_a_file_that_was_written_anew_as_it_was_makes_no_other_plan(world: World):
    digest = world.harden(check=True)[0]["plan"]["digest"]
    path = world.root / "etc/login.defs"
    mode, inode = path.stat().st_mode, path.stat().st_ino
    copy = path.with_name("login.defs.new")
    copy.write_bytes(path.read_bytes())
    copy.chmod(mode & 0o7777)
    copy.rename(path)
    assert path.stat().st_ino != inode
    assert world.harden(plan=_plan_of(digest), look=True)[0]["plan"]["digest"] == digest
