"""A backup is accepted only when everything about it was proven; otherwise nothing of it is left."""

import hashlib
import json
import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from yunwei_host import backup
from yunwei_host.clock import moment, stamp
from yunwei_host.faults import FaultError, RefusedByPolicyError, RepositoryPasswordError
from yunwei_host.hostlock import HostLock
from yunwei_host.repository import make_repository

from tests.pull_world import DUMP, World, left_untouched
from tests.stages import Stages

SIZE = DUMP.stat().st_size


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = World(tmp_path_factory.mktemp("pull"), patch)
        _fill(made.tree)
        kept = Stages(made)
        kept.keep("no repository")
        make_repository(made.repository)
        kept.keep("empty repository")
        made.back_up()
        kept.keep("backed up")
    return kept


def _fill(tree):
    (tree / "中文 name").mkdir()
    (tree / "中文 name" / "a\nb'\"").write_bytes(b"one")
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff\xfe")).write_bytes(b"two")
    (tree / "empty").touch()
    (tree / "big").write_bytes(os.urandom(3 << 20))
    (tree / "link").symlink_to("empty")
    os.link(tree / "big", tree / "same")
    os.utime(tree / "big", (1, 1))


@pytest.fixture
def new(stages, monkeypatch):
    """Nothing was ever backed up: there is no repository."""
    return stages.back_to("no repository", monkeypatch)


@pytest.fixture
def world(stages, monkeypatch):
    """Nothing was backed up; the repository is there."""
    return stages.back_to("empty repository", monkeypatch)


@pytest.fixture
def backed_up(stages, monkeypatch):
    """Both items were backed up once."""
    return stages.back_to("backed up", monkeypatch)


def test_accepts_a_database_and_a_file_set(new):
    summary = new.back_up()
    assert [item["status"] for item in summary["items"]] == ["accepted", "accepted"], summary
    assert summary["verdict"] == "passed"
    assert summary["changed"] is True
    database, files = sorted(new.store.load(), key=lambda record: record["kind"])
    assert new.payload(database) == DUMP.read_bytes()
    assert database["verified"]["sha256"] == hashlib.sha256(DUMP.read_bytes()).hexdigest()
    assert database["counts"] == {"tables": 1, "rows": 700}
    first = new.lines(database)[0]
    assert (first["t"], first["payload"]) == ("record", database["payload"])
    with tarfile.open(fileobj=BytesIO(new.payload(files)), encoding="latin-1") as archive:
        names = archive.getnames()
    assert str(new.tree).lstrip("/") + "/big" in names
    placed = {line["in"] for line in new.lines(files)[1:] if line["k"] == "f"}
    assert placed == {files["payload"]["snapshot"]}
    assert summary["unknown_snapshots"] == []
    assert new.store.pending() == {}


def test_two_databases_are_pulled_at_the_same_time(world):
    world.work["items"] = [world._item("database", name, "postgresql") for name in ("one", "two")]
    world.misbehave(meet=2)
    summary = world.back_up()
    assert [(item["item"], item["status"]) for item in summary["items"]] == [
        ("database:one", "accepted"),
        ("database:two", "accepted"),
    ], summary


def test_a_string_of_the_source_cannot_pass_for_a_place_of_bytes(world):
    world.only("database")
    world.back_up()
    (record,) = world.store.load()
    assert world.lines(record)[-1]["sql"] == 'CREATE ROLE "in":"%s";' % ("0" * 64)


def test_does_nothing_when_nothing_is_due(backed_up):
    with left_untouched(backed_up.base / "mediation"):
        again = backed_up.back_up()
    assert [item["status"] for item in again["items"]] == ["not due", "not due"]
    assert again["changed"] is False


def test_now_pulls_what_is_not_due(world):
    world.only("database")
    world.back_up()
    assert world.back_up(now=True)["items"][0]["status"] == "accepted"
    assert len(world.store.load()) == 2


def test_unchanged_files_are_not_sent_again_and_keep_their_place(world):
    world.only("files")
    _age(world.tree)
    world.back_up(now=True)
    (first,) = world.store.load()
    (world.tree / "empty").write_text("no longer")
    summary = world.back_up(now=True)
    (second,) = [record for record in world.store.load() if record != first]
    assert second["baseline"] == first["record_id"]
    assert second["parents"] == [first["payload"]["snapshot"]]
    places = {line["p"].rsplit("/", 1)[1]: line["in"] for line in world.lines(second)[1:] if line["k"] == "f"}
    assert places["big"] == first["payload"]["snapshot"]
    assert places["empty"] == second["payload"]["snapshot"]
    assert summary["items"][0]["sent_bytes"] < 30000


def test_a_full_backup_of_files_comes_round(world):
    world.only("files")
    world.work["items"][0]["full_every_days"] = 0
    world.back_up(now=True)
    world.back_up(now=True)
    assert [record["baseline"] for record in world.store.load()] == [None, None]


def test_a_baseline_that_lost_a_payload_is_not_built_on(world):
    world.only("files")
    world.back_up()
    (record,) = world.store.load()
    world.repository.forget([record["payload"]["snapshot"]])
    summary = world.back_up()
    assert summary["items"][0]["status"] == "accepted"
    assert summary["items"][0]["builds_on"] is None


@pytest.mark.parametrize("days_off", [1, -1])
def test_a_source_whose_clock_is_a_day_off_dates_no_backup(world, days_off):
    world.only("files")
    world.misbehave(clock=days_off * 86400)
    began = stamp()
    world.work["items"][0]["schedule"]["last_scheduled"] = began
    [item] = world.back_up()["items"]
    assert (item["status"], round(item["clock_skew_seconds"] / 86400)) == ("accepted", days_off)
    ended = stamp()
    (record,) = world.store.load()
    dated = [record[name] for name in ("started", "snapshot_at", "finished", "accepted_at")]
    dated += [record["producer"]["received"], record["verified"]["at"], *(snap["time"] for snap in world.snapshots())]
    assert [one for one in dated if not moment(began) <= moment(one) <= moment(ended)] == []
    assert [one["status"] for one in world.back_up()["items"]] == ["not due"]


REFUSED = [
    ({"fault": "refused"}, "Connection refused"),
    ({"fault": "garbage"}, "does not begin with the protocol line"),
    ({"fault": "fails early"}, "database refuses connections"),
    ({"fault": "fails midway", "after": SIZE // 2}, "disk"),
    ({"fault": "killed midway", "after": 4096}, "answer ends inside"),
    ({"fault": "killed midway", "after": SIZE - 1}, "answer ends inside"),
    ({"fault": "wrong trailer"}, "trailer says sha256"),
    ({"fault": "no trailer"}, "answer ends inside"),
    ({"fault": "trailer cut"}, "answer ends inside frame T"),
    ({"fault": "bytes after trailer"}, "bytes follow the trailer"),
    ({"fault": "bad exit"}, "ended with 3"),
    ({"fault": "no manifest"}, "sent no manifest"),
    ({"name": "other"}, "answered with name other"),
    ({"cut": SIZE // 5}, "cannot be read to its end"),
    ({"cut": SIZE - 1}, "cannot be read to its end"),
]


@pytest.mark.parametrize(("how", "reason"), REFUSED, ids=str)
def test_a_bad_dump_is_refused_and_nothing_of_it_is_left(world, how, reason):
    world.only("database")
    world.misbehave(**how)
    summary = world.back_up()
    assert summary["items"][0]["status"] == "failed"
    assert reason in summary["items"][0]["reason"]
    assert "\x1b" not in json.dumps(summary)
    _nothing_is_left(world)


def test_a_failed_item_does_not_stop_the_others(world):
    world.misbehave(fault="fails midway", after=100, only="dump main")
    summary = world.back_up()
    assert {item["item"]: item["status"] for item in summary["items"]} == {
        "database:main": "failed",
        "files:app": "accepted",
    }
    assert summary["verdict"] == "failed"
    assert len(world.snapshots()) == 2


def test_the_space_of_a_failed_pull_is_measured_and_given_back(world):
    world.only("files")
    (world.tree / "big").write_bytes(os.urandom(48 << 20))
    world.misbehave(fault="fails midway", after=47 << 20)
    summary = world.back_up()
    assert summary["undone"]["space"]["given_back"] > 10 << 20
    _nothing_is_left(world)


def test_a_source_that_claims_to_have_sent_files_before_is_refused(world):
    world.only("files")
    world.misbehave(fault="claims unchanged")
    assert "no backup here holds" in world.back_up()["items"][0]["reason"]
    _nothing_is_left(world)


def test_a_silent_source_is_given_up(world, monkeypatch):
    world.only("files")
    monkeypatch.setattr(backup, "LIMITS", backup.Limits(idle_seconds=2))
    world.misbehave(fault="silent midway", after=1 << 20)
    assert "silent for 2 seconds" in world.back_up()["items"][0]["reason"]
    _nothing_is_left(world)


def test_a_full_disk_stops_the_pull(world, monkeypatch):
    monkeypatch.setattr(backup, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(FaultError, match="full up to its reserve"):
        world.back_up()


def test_restic_dying_first_ends_the_source(world):
    world.only("files")
    (world.base / "bin" / "restic").write_text(
        '#!/bin/sh\ncase "$*" in *payload*) head -c 100000 >/dev/null; exit 9;; esac\nexec /usr/bin/restic "$@"\n'
    )
    (world.base / "bin" / "restic").chmod(0o755)
    summary = world.back_up()
    assert "storing ended before the source" in summary["items"][0]["reason"]
    _nothing_is_left(world)


def test_a_wrong_password_is_named(backed_up):
    backed_up.secrets["repository-local"] = {"password": "other"}
    with pytest.raises(RepositoryPasswordError, match="opens no key"):
        backed_up.back_up()


def test_a_lost_repository_is_never_made_anew(backed_up):
    Path(backed_up.work["repository"]).rename(backed_up.base / "gone")
    with pytest.raises(FaultError, match="2 records say what it held"):
        backed_up.back_up()


def test_a_missing_secret_is_named(world):
    del world.secrets["source-db1"]
    assert "secret source-db1 was not fetched" in world.back_up()["items"][0]["reason"]


def test_an_engine_without_driver_is_not_judged(world):
    world.work["items"][0].update(engine="dameng", no_driver="could not judge: no driver for dameng")
    summary = world.back_up()
    assert summary["items"][0]["status"] == "could not judge"
    assert summary["items"][0]["reason"] == "could not judge: no driver for dameng"
    assert summary["verdict"] == "could not judge"


def test_the_host_lock_names_its_holder(world):
    with (
        HostLock("mediation", {**world.permit(), "run_id": "r-other", "job": "sync-to-miyun"}),
        pytest.raises(RefusedByPolicyError, match=r"r-other \(job sync-to-miyun"),
    ):
        world.back_up()


def test_a_run_that_was_overtaken_changes_nothing(world):
    sleeper, heir = world.permit(), world.permit()
    backup.back_up(world.work, heir, world.secrets)
    with left_untouched(world.base / "mediation"), pytest.raises(RefusedByPolicyError) as caught:
        backup.back_up({**world.work, "now": True}, sleeper, world.secrets)
    assert caught.value.why == "overtaken"


def test_a_preview_asks_the_sources_and_changes_nothing(new):
    with left_untouched(new.base):
        summary = new.preview()
    assert [item["status"] for item in summary["items"]] == ["would back up", "would back up"]
    assert summary["items"][0]["bytes_estimate"] == 68724
    assert summary["repository"] == "absent"


def test_a_preview_reports_a_source_that_is_down(world):
    world.misbehave(fault="refused")
    summary = world.preview()
    assert "Connection refused" in summary["items"][0]["reason"]
    assert summary["verdict"] == "failed"


def _nothing_is_left(world):
    assert world.snapshots() == []
    assert world.repository.locks() == []
    assert world.store.load() == []
    assert world.store.pending() == {}
    packs = [path for path in (Path(world.work["repository"]) / "data").rglob("*") if path.is_file()]
    assert packs == []
    assert os.listdir(world.tmpfs) == []


def _age(tree):
    """Make every entry older than the two seconds in which the source is unsure."""
    import time

    for path in [tree, *tree.rglob("*")]:
        os.utime(path, (1, 1), follow_symlinks=False)
    time.sleep(2.1)
