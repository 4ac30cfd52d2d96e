"""The network is cut under real SSH connections: for five seconds it is not noticed, for good it is named.

A line that is cut holds back every byte and tells nobody, as a router without power does.
"""

import os
import sys

import pytest
from yunwei_host import sshagent
from yunwei_host.faults import FaultError
from yunwei_restore import site
from yunwei_restore.errors import NotJudgedError

from tests.forced_ssh import ForcedSsh
from tests.pull_world import FIXTURES, TwoSites
from tests.stages import Stages

PLACE = "127.0.0.1"
SECONDS = 5
MIB = 1 << 20


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    base = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        made = TwoSites(base, patch)
        (base / "bin" / "ssh").unlink()
        made.only("files")
        made.sync_work["items"] = ["files:app"]
        far = server(made, "miyun-append", "site")
        near = server(made, "yunwei-source", "source")
        reach(made, near, far)
        (made.tree / "large").write_bytes(os.urandom(24 * MIB))
        kept = Stages(made)
        kept.keep("new")
        made.back_up()
        kept.keep("backed up")
        made.sync()
        kept.keep("synced")
    kept.near, kept.far = near, far
    yield kept
    near.close()
    far.close()


def server(world, account, part):
    """Return an SSH server whose account `account` is a forced command of the test's far side."""
    folder = world.base / "lines" / account / ".ssh"
    folder.mkdir(parents=True)
    key = world.secrets["source-db1"]["public_key"].strip()
    (folder / "authorized_keys").write_text(f'restrict,command="GATE" {key}\n')
    return ForcedSsh(world.base / "lines", "GATE", f"{sys.executable} {FIXTURES}/fake_{part}.py {world.base}")


def reach(world, near, far):
    """Let the world reach its source and its second site over real connections."""
    world.work["known_hosts"] = [near.pin]
    for item in world.work["items"]:
        item.update(source_address=PLACE, source_port=near.port)
    world.sync_work["remote"].update(address=PLACE, port=far.port, host_keys=[far.pin])


@pytest.fixture
def at(stages, monkeypatch):
    """Return a function: the world at a stage, its lines whole."""

    def back_to(stage, patient):
        for one in (stages.near, stages.far):
            one.line.mend()
        if not patient:  # else half a minute of silence, as in production
            hasty = [line for line in sshagent.SETTINGS if not line.startswith("ServerAlive")]
            monkeypatch.setattr(sshagent, "SETTINGS", (*hasty, "ServerAliveInterval 1", "ServerAliveCountMax 2"))
        return stages.back_to(stage, monkeypatch), stages.near.line, stages.far.line

    return back_to


def midway(command, after=0):
    """Return when to cut: on a connection that asked for `command`, after so many bytes."""
    return lambda words, passed: words.startswith(command) and passed > after


# The middle of what the source sends, and before its trailer has come.
PULLING = {"before the first byte": 0, "while bytes come": 8 * MIB, "near the end": 24 * MIB}


@pytest.mark.parametrize("after", PULLING.values(), ids=PULLING)
def test_a_backup_outlives_five_seconds_without_network(at, after):
    world, line, _ = at("new", patient=True)
    line.cut_when(midway("files", after), SECONDS)
    assert [item["status"] for item in world.back_up()["items"]] == ["accepted"]


@pytest.mark.parametrize("after", PULLING.values(), ids=PULLING)
def test_a_backup_whose_line_stays_cut_fails_and_leaves_nothing(at, after):
    world, line, _ = at("new", patient=False)
    line.cut_when(midway("files", after))
    [item] = world.back_up()["items"]
    assert (item["status"], "answer ends inside" in item["reason"]) == ("failed", True), item["reason"]
    assert world.snapshots() == []
    assert world.store.pending() == {}
    line.mend()
    assert [item["status"] for item in world.back_up()["items"]] == ["accepted"]


SYNCING = {
    "at the first word": midway("hello"),
    "at the ledger's head": midway("head"),
    "when the repository is asked": midway("serve"),
    "while packs go": midway("serve", 8 * MIB),
    "at the receipt": midway("receipt"),
    "when the copies are told": midway("copies"),
}


@pytest.mark.parametrize("when", SYNCING.values(), ids=SYNCING)
def test_a_sync_outlives_five_seconds_without_network(at, when):
    world, _, line = at("backed up", patient=True)
    line.cut_when(when, SECONDS)
    assert world.sync()["verdict"] == "passed"


@pytest.mark.parametrize("phase", SYNCING)
def test_a_sync_whose_line_stays_cut_counts_nothing_that_no_receipt_names(at, phase):
    world, _, line = at("backed up", patient=False)
    line.cut_when(SYNCING[phase])
    if phase == "when the copies are told":  # by then the receipt has come
        assert world.sync()["verdict"] == "failed"
        assert all(record["sync"]["miyun"] for record in world.store.load())
    else:
        with pytest.raises(FaultError, match=r"was cut|cannot be reached|gave no receipt"):
            world.sync()
        assert not any(record["sync"] for record in world.store.load())
    line.mend()
    assert world.sync()["verdict"] == "passed"
    assert all(record["sync"]["miyun"] for record in world.store.load())
    assert world.far.locks() == []


def reader(world):
    unit = {"system": "mediation", "site": "miyun", "remote": world.sync_work["remote"], "backup_server": "backup1"}
    return site.SiteReader(unit, "scratch1", world.secrets, str(world.base / "cache-of-drill"))


def fetch(world, line, when, seconds=None):
    """Read a payload back as a drill does, and return (SHA-256, bytes)."""
    [record] = world.store.load()
    with reader(world) as there:
        there.snapshots()
        line.cut_when(when, seconds)
        return there.dump(
            record["sync"]["miyun"]["payload"], record["payload"]["path"], "files:app", lambda piece: None
        )


FETCHING = {"when the repository is asked": midway("serve"), "while bytes come": midway("serve", 6 * MIB)}


@pytest.mark.parametrize("when", FETCHING.values(), ids=FETCHING)
def test_a_drill_s_fetch_outlives_five_seconds_without_network(at, when):
    world, _, line = at("synced", patient=True)
    [record] = world.store.load()
    assert fetch(world, line, when, SECONDS) == (record["payload"]["sha256"], record["payload"]["bytes"])


@pytest.mark.parametrize("when", FETCHING.values(), ids=FETCHING)
def test_a_drill_s_fetch_whose_line_stays_cut_says_nothing_about_the_backup(at, when):
    world, _, line = at("synced", patient=False)
    with pytest.raises(NotJudgedError):
        fetch(world, line, when)
    assert os.listdir(world.tmpfs) == []
