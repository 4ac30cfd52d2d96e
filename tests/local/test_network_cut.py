"""The network is cut under real SSH connections: for five seconds it is not noticed, for good it is named.

A line that is cut holds back every byte and tells nobody, as a router without power does.
"""

import os
from contextlib import contextmanager

import pytest
from yunwei_host import sshagent
from yunwei_host.faults import FaultError
from yunwei_restore import site
from yunwei_restore.errors import NotJudgedError

from tests.real_lines import MIB, SYNCING, midway, staged_lines

SECONDS = 5


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with staged_lines(tmp_path_factory.mktemp("cut")) as kept:
        kept.world.sync()
        kept.keep("synced")
        yield kept


@pytest.fixture
def at(stages, monkeypatch):
    """Return a function: the world at a stage with its lines to the source and to the second site, both whole."""

    def back_to(stage):
        for one in (stages.near, stages.far):
            one.line.mend()
        return stages.back_to(stage, monkeypatch), stages.near.line, stages.far.line

    return back_to


@contextmanager
def impatient():
    """Give a silent line up after three seconds; in production it takes half a minute."""
    others = [line for line in sshagent.SETTINGS if not line.startswith("ServerAlive")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sshagent, "SETTINGS", (*others, "ServerAliveInterval 1", "ServerAliveCountMax 3"))
        yield


PULLING = {
    "before the first byte": midway("files"),
    "while bytes come": midway("files", 3 * MIB),
    "near the end": midway("files", 8 * MIB),
}
FETCHING = {"when the repository is asked": midway("serve"), "while bytes come": midway("serve", 3 * MIB)}


def test_a_backup_outlives_five_seconds_without_network_in_every_phase(at):
    world, line, _ = at("new")
    line.cut_at_each(PULLING.values(), SECONDS)
    assert [item["status"] for item in world.back_up()["items"]] == ["accepted"]
    assert line.cuts == len(PULLING)


@pytest.mark.parametrize("when", PULLING.values(), ids=PULLING)
def test_a_backup_whose_line_stays_cut_fails_and_leaves_nothing(at, when):
    world, line, _ = at("new")
    line.cut_at_each([when])
    with impatient():
        [item] = world.back_up()["items"]
    assert (item["status"], "answer ends inside" in item["reason"]) == ("failed", True), item["reason"]
    assert world.snapshots() == []
    assert world.store.pending() == {}
    line.mend()
    assert [item["status"] for item in world.back_up()["items"]] == ["accepted"]


def test_a_sync_outlives_five_seconds_without_network_in_every_phase(at):
    world, _, line = at("backed up")
    line.cut_at_each(SYNCING.values(), SECONDS)
    assert world.sync()["verdict"] == "passed"
    assert line.cuts == len(SYNCING)


@pytest.mark.parametrize("phase", SYNCING)
def test_a_sync_whose_line_stays_cut_counts_nothing_that_no_receipt_names(at, phase):
    world, _, line = at("backed up")
    line.cut_at_each([SYNCING[phase]])
    if phase == "when the copies are told":  # by then the receipt has come
        with impatient():
            assert world.sync()["verdict"] == "failed"
        assert all(record["sync"]["miyun"] for record in world.store.load())
    else:
        with impatient(), pytest.raises(FaultError, match=r"was cut|cannot be reached|gave no receipt"):
            world.sync()
        assert not any(record["sync"] for record in world.store.load())
    line.mend()
    assert world.sync()["verdict"] == "passed"
    assert all(record["sync"]["miyun"] for record in world.store.load())
    assert world.far.locks() == []


def reader(world):
    unit = {"system": "mediation", "site": "miyun", "remote": world.sync_work["remote"], "backup_server": "backup1"}
    return site.SiteReader(unit, "scratch1", world.secrets, str(world.base / "cache-of-drill"))


def fetch(world):
    """Read a payload back as a drill does, and return (SHA-256, bytes)."""
    [record] = world.store.load()
    with reader(world) as there:
        there.snapshots()
        return there.dump(record["sync"]["miyun"]["payload"], record["payload"]["path"], "files:app", len)


def test_a_drill_s_fetch_outlives_five_seconds_without_network_in_every_phase(at):
    world, _, line = at("synced")
    [record] = world.store.load()
    line.cut_at_each(FETCHING.values(), SECONDS)
    assert fetch(world) == (record["payload"]["sha256"], record["payload"]["bytes"])
    assert line.cuts == len(FETCHING)


@pytest.mark.parametrize("when", FETCHING.values(), ids=FETCHING)
def test_a_drill_s_fetch_whose_line_stays_cut_says_nothing_about_the_backup(at, when):
    world, _, line = at("synced")
    line.cut_at_each([when])
    with impatient(), pytest.raises(NotJudgedError):
        fetch(world)
    assert os.listdir(world.tmpfs) == []
