"""Log files leave their host only once they were archived as planned and read back; real restic, real ssh-agent."""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from tarfile import open as open_tar
from typing import Any

import pytest
from yunwei_host import logarchive, loglist, pull
from yunwei_host.faults import FaultError
from yunwei_host.hostlock import HostLock
from yunwei_host.repository import make_repository

from tests.log_world import Logs
from tests.pull_world import World, die, killed
from tests.stages import Stages


class LogWorld(World):
    """The backup server of one system, and a place of logs on its source."""

    def __init__(self, base: Path, monkeypatch: Any) -> None:
        super().__init__(base, monkeypatch)
        (base / "host").mkdir()
        self.logs = Logs(base / "host", monkeypatch)
        self.misbehave()
        item = {**self._item("files", "app1", None), "item": "logs:app1", "slug": "logs-app1", "kind": "logs"}
        self.work["sources"] = {"app1": item}

    def enter(self, monkeypatch: Any) -> None:
        super().enter(monkeypatch)
        monkeypatch.chdir(self.base)

    def misbehave(self, **how: Any) -> None:
        super().misbehave(places=self.logs.rules if hasattr(self, "logs") else [], **how)

    def archive(self, packed: dict[str, Any]) -> dict[str, Any]:
        """Archive as the module does; `archived` is what it hands on."""
        permit = {**self.permit(), "job": "clean-logs"}
        summary, changed = logarchive.archive(self.work, "app1", permit, self.secrets, packed)
        assert changed
        archived = summary.pop("handed_on")["archived"]
        json.dumps(summary)
        return {**summary, "archived_list": archived}


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = LogWorld(tmp_path_factory.mktemp("logs"), patch)
        kept = Stages(made)
        make_repository(made.repository)
        kept.keep("empty repository")
    return kept


@pytest.fixture
def world(stages, monkeypatch):
    return stages.back_to("empty repository", monkeypatch)


def _names(packed: dict[str, Any]) -> list[str]:
    return [entry["p"].rsplit("/", 1)[1] for entry in loglist.unpack(packed["packed"], packed["sha256"])]


def test_planned_files_are_archived_read_back_and_then_gone(world):
    content = {"a.log.1": os.urandom(300000), "b.log.2": b"", "new\nline.log.3": b"x" * 70000}
    for name, data in content.items():
        world.logs.write(name, content=data)
    world.logs.write("a.log", content=b"alive")
    _, packed = world.logs.plan()
    done = world.archive(packed)
    assert done["archived"] == {"files": 3, "not_as_planned": 0, "sha256": done["archived_list"]["sha256"]}
    (record,) = world.store.load()
    assert (record["item"], record["kind"], record["verified"]["how"]) == ("logs:app1", "logs", "sha256, tar")
    with open_tar(fileobj=BytesIO(world.payload(record)), encoding="latin-1") as archive:
        stored = {Path(member.name).name: archive.extractfile(member).read() for member in archive}
    assert stored == content
    assert set(world.logs.retire(done["archived_list"]).values()) == {"retired"}
    assert os.listdir(world.logs.place) == ["a.log"]
    assert world.logs.plan()[1]["files"] == 0


def test_what_changes_after_the_plan_is_neither_archived_nor_removed(world):
    for name in ("a.log.1", "b.log.1"):
        world.logs.write(name)
    _, packed = world.logs.plan()
    world.logs.write("b.log.1", content=b"another")
    done = world.archive(packed)
    assert _names(done["archived_list"]) == ["a.log.1"]
    assert done["archived"]["not_as_planned"] == 1
    assert world.logs.retire(done["archived_list"]) == {"a.log.1": "retired"}
    assert (world.logs.place / "b.log.1").read_bytes() == b"another"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"fault": "killed midway", "after": 20000}, "the answer ends inside"),
        ({"fault": "wrong trailer"}, "the trailer says sha256"),
        ({"fault": "bad exit"}, "ended with 3"),
        ({"fault": "refused"}, "Connection refused"),
        ({"places": []}, "none is there as it was planned"),
    ],
)
def test_a_failed_archive_leaves_nothing_and_hands_nothing_on(world, how, message):
    world.logs.write("a.log.1", content=os.urandom(100000))
    _, packed = world.logs.plan()
    if "places" in how:
        world.logs.rules, kept = [], world.logs.rules
        world.misbehave()
        world.logs.rules = kept
    else:
        world.misbehave(**how)
    with pytest.raises(FaultError, match=f"logs:app1 was not archived, so nothing is removed: .*{message}"):
        world.archive(packed)
    assert (world.store.load(), world.store.pending(), world.snapshots()) == ([], {}, [])
    assert (world.logs.place / "a.log.1").exists()


def test_a_repository_that_gives_back_other_bytes_is_no_archive(world, monkeypatch):
    world.logs.write("a.log.1", content=b"x" * 1000)
    _, packed = world.logs.plan()
    real = pull.Pull._take

    def take(self, told):
        head, trailer, snapshot = real(self, told)
        return head, {**trailer, "sha256": "0" * 64}, snapshot

    monkeypatch.setattr(pull.Pull, "_take", take)
    with pytest.raises(FaultError, match="the repository gave back"):
        world.archive(packed)
    assert world.store.load() == []


def test_a_killed_archive_is_cleared_up_by_the_next_one(world, monkeypatch):
    world.logs.write("a.log.1")
    _, packed = world.logs.plan()
    with monkeypatch.context() as patch:
        patch.setattr(pull.Pull, "_store_manifest", die)
        killed(lambda: world.archive(packed))
    world.runs += 1
    assert len(world.snapshots("payload")) == 1
    world.archive(packed)
    assert len(world.snapshots("payload")) == len(world.store.load()) == 1
    assert world.store.pending() == {}


def test_a_backup_that_is_running_is_not_disturbed(world):
    world.logs.write("a.log.1")
    _, packed = world.logs.plan()
    with HostLock("mediation", {**world.permit(), "job": "back-up"}), pytest.raises(FaultError, match="holds the lock"):
        world.archive(packed)
