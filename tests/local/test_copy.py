"""The copy to the second site: once, whole, proven by a signed receipt, resumable; over a real append-only endpoint."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from yunwei_host.faults import FaultError, RefusedByPolicyError, RepositoryPasswordError
from yunwei_host.restic import Repository

from tests.pull_world import TwoSites, die, killed, left_untouched
from tests.stages import Stages


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = TwoSites(tmp_path_factory.mktemp("copy"), patch)
        (made.tree / "big").write_bytes(os.urandom(1 << 20))
        made.back_up()
        kept = Stages(made)
        kept.keep("nothing there")
        made.far.init(made.repository)
        kept.keep("empty repository there")
        made.sync()
        kept.keep("synced")
    return kept


@pytest.fixture
def unjoined(stages, monkeypatch):
    """Two accepted backups; the second site has no repository yet."""
    return stages.back_to("nothing there", monkeypatch)


@pytest.fixture
def world(stages, monkeypatch):
    """Two accepted backups, and an empty repository at the second site."""
    return stages.back_to("empty repository there", monkeypatch)


@pytest.fixture
def synced(stages, monkeypatch):
    """Two accepted backups, copied and proven."""
    return stages.back_to("synced", monkeypatch)


def test_copies_accepted_backups_and_keeps_the_proof(unjoined):
    summary = unjoined.sync()
    assert (summary["verdict"], summary["changed"], summary["snapshots"]) == ("passed", True, 4)
    there = {snap["original"]: snap["id"] for snap in unjoined.far.snapshots()}
    for record in unjoined.store.load():
        found = record["sync"]["miyun"]
        assert found["manifest"] == there[record["record_id"]]
        assert found["payload"] == there[record["payload"]["snapshot"]]
        assert found["verified_at"] == summary["receipt"]["time"]
        assert "signature verified" in found["how"]
    assert unjoined.far.check("all") == []
    chunkers = [
        repository.call(["cat", "config", "--no-lock"])[0] for repository in (unjoined.far, unjoined.repository)
    ]
    polynomials = [config.split(b'"chunker_polynomial": ')[1].split(b"\n")[0] for config in chunkers]
    assert polynomials[0] == polynomials[1]


def test_only_accepted_backups_are_copied(world):
    writer = world.repository.start_backup("mediation", "/files-app.payload", ["yunwei", "payload", "item:files:app"])
    writer.write(b"forged")
    forged = writer.finish()
    world.sync()
    assert forged not in {snap["original"] for snap in world.far.snapshots()}


def test_a_preview_changes_nothing_anywhere(unjoined):
    with left_untouched(unjoined.base / "miyun"), left_untouched(unjoined.base / "mediation"):
        summary = unjoined.preview_sync()
    assert [item["status"] for item in summary["items"]] == ["would copy", "would copy"]
    assert summary["repository"] == "absent"


def test_nothing_to_copy_makes_no_repository(tmp_path, monkeypatch):
    world = TwoSites(tmp_path, monkeypatch)
    summary = world.sync()
    assert (summary["items"], summary["changed"], summary["receipt"]) == ([], False, None)
    assert list((tmp_path / "miyun" / "mediation").iterdir()) == []


def test_a_sync_killed_between_two_snapshots_goes_on(world):
    records = world.store.load()

    def act():
        copy_from = Repository.copy_from

        def one_only(self, source, names):
            copy_from(self, source, names[:2])
            die()

        Repository.copy_from = one_only
        world.sync()

    killed(act)
    assert len(world.far.snapshots()) == 2
    summary = world.sync()
    assert summary["verdict"] == "passed"
    assert len(world.far.snapshots()) == 4
    assert all(record["sync"]["miyun"]["verified_at"] for record in world.store.load())
    assert len(records) == 2


def test_a_connection_cut_midway_fails_and_the_next_sync_goes_on(world):
    world.site_misbehaves(**{"cut after": 400_000})
    with pytest.raises(FaultError):
        world.sync()
    assert not any(record["sync"] for record in world.store.load())
    world.site_misbehaves()
    assert world.sync()["verdict"] == "passed"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("unsigned", "not signed by the pinned key"), ("old receipt", "seconds old"), ("other system", "another system")],
)
def test_without_a_good_receipt_nothing_counts_as_verified(world, fault, reason):
    world.site_misbehaves(fault=fault)
    with pytest.raises(FaultError, match=reason):
        world.sync()
    assert not any(record["sync"] for record in world.store.load())


def test_the_rest_of_a_cut_upload_is_junk_and_not_damage(synced):
    (synced.base / "miyun" / "mediation" / "data" / "ab" / ("ab" * 32)).parent.mkdir(exist_ok=True)
    (synced.base / "miyun" / "mediation" / "data" / "ab" / ("ab" * 32)).write_bytes(b"half")
    summary = synced.sync()
    assert summary["receipt"]["junk"] == ["data/ab/" + "ab" * 32]
    assert summary["verdict"] == "passed"


def test_a_lock_that_the_site_s_own_restic_holds_is_named_and_stays(synced):
    synced.back_up(now=True)
    child = synced.far.start(["check"], stdout=-3, stderr=-3)
    while not (held := list((synced.base / "miyun" / "mediation" / "locks").glob("?" * 64))):
        assert child.poll() is None
    child.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(RefusedByPolicyError, match="locked by process"):
            synced.sync()
        assert held[0].exists()
    finally:
        child.kill()
        child.wait()


def test_a_wrong_password_there_is_named(synced):
    synced.secrets["repository-miyun"] = {"password": "other"}
    with pytest.raises(RepositoryPasswordError, match="of miyun: the password"):
        synced.sync()


def test_a_missing_secret_is_named(world):
    del world.secrets["miyun-append"]
    with pytest.raises(FaultError, match="secret miyun-append was not fetched"):
        world.sync()


def test_a_local_backup_that_lost_its_payload_is_not_copied(world):
    (record,) = [one for one in world.store.load() if one["kind"] == "files"]
    world.repository.forget([record["payload"]["snapshot"]])
    summary = world.sync()
    assert (summary["verdict"], summary["lost"]) == ("failed", [record["record_id"]])


def test_what_the_second_site_lost_entirely_is_copied_again(synced):
    shutil.rmtree(synced.base / "miyun" / "mediation")
    (synced.base / "miyun" / "mediation").mkdir()
    shutil.rmtree(synced.base / "cache")
    assert synced.sync()["snapshots"] == 4


def test_a_bandwidth_limit_reaches_restic(world, monkeypatch):
    seen = []
    argv = Repository._argv
    monkeypatch.setattr(Repository, "_argv", lambda self, words: seen.append(argv(self, words)) or argv(self, words))
    world.sync(bandwidth_kib_per_second=50_000)
    assert any("--limit-upload=50000" in words and "copy" in words for words in seen)
    assert Path(world.base / "cache" / "mediation").is_dir()
