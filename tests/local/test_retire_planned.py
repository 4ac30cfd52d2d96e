"""Retirement by a stored plan: an approved early release, and a repository that is not as planned."""

import pytest
from yunwei_host.faults import RefusedByPolicyError

from tests.pull_world import left_untouched
from tests.retire_world import run, statuses, synced, whole


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    return synced(tmp_path_factory.mktemp("retire"))


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("synced", monkeypatch)


def _unproven(world):
    """Return the oldest record, of which the second site's proof is gone: as after a long outage."""
    oldest = world.store.load()[0]
    world.store.save({**oldest, "sync": None})
    return oldest["record_id"]


APPROVED = {"approval": {"id": "a1", "by": "duty-officer", "emergency": ""}}


def test_an_approved_early_release_removes_exactly_what_it_names(world):
    name = _unproven(world)
    release = {"records": [name[:12]], "reason": "Miyun is away"}
    planned = run(world, check=True, release=release)
    assert statuses(planned) == ["would remove"]
    plan = {"sha256": "0" * 64, "hosts": {"backup1": {"mediation": planned["plan"]["digest"]}}}
    summary = run(world, release=release, permit={**world.permit(), **APPROVED, "plan": plan})
    assert (statuses(summary), summary["release"]) == (["removed"], release)
    assert len(world.store.load()) == 2
    whole(world)


def test_without_an_approval_what_the_second_site_has_not_proven_stays(world):
    name = _unproven(world)
    with left_untouched(world.base / "mediation"), pytest.raises(RefusedByPolicyError, match="names no approval"):
        run(world, release={"records": [name], "reason": "Miyun is away"})
    run(world)
    assert name in {one["record_id"] for one in world.store.load()}


def test_a_repository_that_is_not_as_planned_loses_nothing(world):
    planned = run(world, check=True)
    assert statuses(planned) == ["would remove", "would remove"]
    plan = {"sha256": "f" * 64, "hosts": {"backup1": {"mediation": planned["plan"]["digest"]}}}
    _unproven(world)
    with pytest.raises(RefusedByPolicyError, match=r"backup1 is not as it was when plan f{16} was made"):
        run(world, permit={**world.permit(), "plan": plan})
    assert len(world.store.load()) == 3
