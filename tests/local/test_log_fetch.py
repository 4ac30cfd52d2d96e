"""Archived logs come back as they were archived and never over what is there; real restic, real ssh-agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from yunwei_host import logarchive
from yunwei_host.repository import make_repository
from yunwei_host.restic import Repository
from yunwei_restore import locate, logfetch
from yunwei_restore.errors import BadBackupError, NotJudgedError, RefusedError, RestoreError

from tests.estates import BIN
from tests.log_world import DAY, NOW, Logs
from tests.pull_world import TwoSites, left_untouched
from tests.stages import Stages
from yunwei.paths import content_root

GATE = content_root() / "roles" / "miyun_site" / "files" / "repository_gate.py"
FIRST = {"a.log.1": b"of the first day\n" * 5000, "new\nline.log.2": b"odd", "deep/er.log.1": b""}
ODD = b"\xff\xfe.log.9"
SECOND = b"of a later day\n"


def _day(days_ago: float) -> str:
    return datetime.fromtimestamp(NOW - days_ago * DAY, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class LogSites(TwoSites):
    """Two archives of one host's logs at both sites: `a.log.1` is in each, with other content."""

    def __init__(self, base: Path, monkeypatch: Any) -> None:
        super().__init__(base, monkeypatch)
        (base / "host").mkdir()
        self.logs = Logs(base / "host", monkeypatch)
        self.enter(monkeypatch)
        item = {**self._item("files", "app1", None), "item": "logs:app1", "slug": "logs-app1", "kind": "logs"}
        self.work["sources"] = {"app1": item}
        self.sync_work["items"] = ["logs:app1"]
        self.into = base / "back"
        make_repository(self.repository)
        for name, content in FIRST.items():
            self.logs.write(name.rpartition("/")[2], content=content, below=name.rpartition("/")[0])
        self.logs.write(ODD, content=b"not UTF-8")
        self._archive()
        self.logs.write("a.log.1", days=40, content=SECOND)
        self._archive()
        self.sync()

    def enter(self, monkeypatch: Any) -> None:
        super().enter(monkeypatch)
        monkeypatch.chdir(self.base)
        self._let_the_controller_read()
        self.misbehave()

    def misbehave(self, **how: Any) -> None:
        super().misbehave(places=self.logs.rules if hasattr(self, "logs") else [], **how)

    def _let_the_controller_read(self) -> None:
        """Put the real gate of a reader behind the name by which restores call a site; the account says which one."""
        ssh = self.base / "bin" / "ssh"
        kept = self.base / "bin" / "ssh.sites"
        if not kept.exists():
            ssh.rename(kept)
        far, near = self.base / "miyun" / "mediation", self.base / "mediation" / "repo"
        ssh.write_text(
            f'#!/bin/sh\ncase "$*" in\n*yunwei-site*)\n'
            f'  folder={far}; grep -q "User yunwei-read" "$2" && folder={near}\n'
            f'  while [ "$1" != yunwei-site ]; do shift; done; shift\n'
            f'  SSH_ORIGINAL_COMMAND="$*" exec {sys.executable} {GATE} read mediation "$folder";;\n'
            f'esac\nexec {kept} "$@"\n'
        )
        ssh.chmod(0o755)

    def _archive(self) -> None:
        _, packed = self.logs.plan()
        permit = {**self.permit(), "job": "clean-logs"}
        summary, _ = logarchive.archive(self.work, "app1", permit, self.secrets, packed)
        self.logs.retire(summary.pop("handed_on")["archived"])

    def wish(self, site: str = "local", **changes: Any) -> dict[str, Any]:
        """Return the unit of work of a fetch of everything, as the wrapper makes it."""
        remote = {**self.sync_work["remote"], "user": "miyun-read", "secret": "miyun-read"}
        if site == "local":
            near = {"address": "192.0.2.11", "secret": "local-read", "repository_secret": "repository-local"}
            remote = {
                **remote,
                **near,
                "user": "yunwei-read",
                "host_keys": ["192.0.2.11 ssh-ed25519 AAAA"],
                "receipt_public_key": None,
            }
        given = {
            "system": "mediation",
            "site": site,
            "remote": remote,
            "host": "app1",
            "path": str(self.logs.place),
            "since": _day(90),
            "until": _day(0),
            "into": str(self.into),
            "accepted": [record["manifest_sha256"] for record in self.store.load()],
        }
        return {**given, **changes}

    def fetch(self, site: str = "local", **changes: Any) -> dict[str, Any]:
        """Fetch as the module does; the archive stays as it is."""
        secrets = {**self.secrets, "local-read": self.secrets["miyun-read"]}
        with left_untouched(self.base / "mediation"), left_untouched(self.base / "miyun"):
            summary, changed = logfetch.fetch(self.wish(site, **changes), secrets)
        json.dumps(summary)
        return {**summary, "changed": changed}

    def brought(self) -> list[tuple[bytes, bytes]]:
        """Return path on the host and content of every file that is there, in the order of their archives."""
        root, found = os.fsencode(self.into), []
        for folder, _, names in sorted(os.walk(root)):
            for name in sorted(names):
                path = os.path.join(folder, name)
                own = b"/" + path[len(root) + 1 :].split(b"/", 2)[2]
                with open(path, "rb") as stream:
                    found.append((own, stream.read()))
        return found


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        kept = Stages(LogSites(tmp_path_factory.mktemp("fetch"), patch))
        kept.keep("archived twice")
    return kept


@pytest.fixture
def world(stages, tmp_path, monkeypatch):
    """Return both sites, which a fetch leaves as they are, and a folder that is not there yet."""
    stages.world.enter(monkeypatch)
    stages.world.into = tmp_path / "back"
    return stages.world


@pytest.fixture
def harmed(stages, world, monkeypatch):
    """Return the same for a test that harms a site."""
    yield world
    stages.back_to("archived twice", monkeypatch)


def _everything(world: LogSites) -> list[tuple[bytes, bytes]]:
    place = os.fsencode(world.logs.place) + b"/"
    first = {**{os.fsencode(name): content for name, content in FIRST.items()}, ODD: b"not UTF-8"}
    return [*((place + name, content) for name, content in first.items()), (place + b"a.log.1", SECOND)]


def test_both_sites_give_back_every_byte_under_every_name_and_the_second_time_nothing_is_new(world):
    done = world.fetch("local")
    assert [(line["status"], line["files"], line["new_files"]) for line in done["items"]] == [
        ("fetched", 4, 4),
        ("fetched", 1, 1),
    ]
    assert done["verdict"] == "passed"
    assert done["changed"]
    assert sorted(world.brought()) == sorted(_everything(world))
    for folder, _, names in os.walk(world.into):
        assert os.stat(folder).st_mode & 0o7777 == 0o700
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            assert (status.st_mode & 0o7777, status.st_nlink) == (0o600, 1)
            assert status.st_mtime in (NOW - 60 * DAY, NOW - 40 * DAY)
    with left_untouched(world.into):
        again = world.fetch("miyun")
    assert [line["status"] for line in again["items"]] == ["there already", "there already"]
    assert [line["record"] for line in again["items"]] == [line["record"] for line in done["items"]]
    assert not again["changed"]


@pytest.mark.parametrize(
    ("changes", "contents"),
    [
        ({"since": _day(50)}, [SECOND]),
        ({"until": _day(50), "name": "a.log.1"}, [FIRST["a.log.1"]]),
        ({"since": _day(60), "until": _day(59.9), "name": "deep"}, [b""]),
        ({"since": _day(40), "name": "*.log.1"}, [SECOND]),
        ({"until": _day(40), "name": "new*"}, [b"odd"]),
    ],
)
def test_only_the_files_of_these_days_and_this_path_come(world, changes, contents):
    days = {name: day for name, day in changes.items() if name != "name"}
    world.fetch("miyun", path=str(world.logs.place / changes.get("name", "")), **days)
    assert [content for _, content in world.brought()] == contents


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"path": "/etc"}, BadBackupError, "no archived file fits: 2 archives at this site"),
        ({"since": _day(30)}, BadBackupError, "no archived file fits"),
        ({"host": "db1"}, BadBackupError, "logs:db1: no archive at all at this site"),
        ({"accepted": ["0" * 64]}, BadBackupError, "no archived file fits"),
        ({"into": "/nowhere/at/all"}, NotJudgedError, "no folder to write in: No such file"),
        ({"into": "/etc/hostname"}, NotJudgedError, "no folder to write in"),
    ],
)
def test_what_is_not_there_or_not_possible_is_told_and_nothing_is_written(world, changes, error, said):
    with pytest.raises(error, match=said):
        world.fetch(**changes)
    assert not world.into.exists()


def test_something_else_in_the_place_of_one_file_keeps_all_of_them_away(world):
    world.fetch()
    path = next(world.into.rglob("er.log.1"))
    for other in ("longer", None):
        path.unlink()
        path.write_text(other) if other else path.symlink_to("/etc/hostname")
        for name in ("a.log.1", "new\nline.log.2"):
            for one in world.into.rglob(name):
                one.unlink()
        with left_untouched(world.into), pytest.raises(RefusedError, match=r"er\.log\.1: something else is in its"):
            world.fetch()


def test_a_link_among_the_folders_is_never_followed(world):
    world.fetch()
    elsewhere = world.into.parent / "elsewhere"
    (folder,) = world.into.rglob("deep")
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    (elsewhere / "er.log.1").unlink()
    with left_untouched(elsewhere), left_untouched(world.into), pytest.raises(RefusedError, match=r"er\.log\.1"):
        world.fetch()


def test_what_a_killed_fetch_left_goes_with_the_next_one_and_two_do_not_meet(world, monkeypatch):
    world.fetch()
    path = next(world.into.rglob("a.log.1"))
    path.unlink()
    (path.parent / ".yunwei-fetch").write_text("half")
    real = logfetch._Target.write

    def meet(target, *words):
        with pytest.raises(RefusedError, match="another fetch writes into it"):
            world.fetch("miyun")
        real(target, *words)

    monkeypatch.setattr(logfetch._Target, "write", meet)
    world.fetch()
    assert sorted(world.brought()) == sorted(_everything(world))


def test_other_bytes_than_were_archived_never_get_a_name(world, monkeypatch):
    """A manifest that was accepted, over a payload whose bytes are others by now."""
    real = logfetch.extract.chosen

    def chosen(entries, pattern):
        return [(path, {**line, "sha256": "0" * 64}) for path, line in real(entries, pattern)]

    monkeypatch.setattr(logfetch.extract, "chosen", chosen)
    done = world.fetch(since=_day(50))
    (line,) = done["items"]
    assert (done["verdict"], line["status"], line["new_files"]) == ("failed", "failed", 0)
    assert "its content is not what was archived" in line["reason"]
    assert world.brought() == []


def test_a_reading_that_was_cut_says_nothing_about_the_archive_and_is_taken_up_again(world, monkeypatch):
    real = Repository.open_dump

    def cut(self, snapshot, path):
        dump = real(self, snapshot, path)
        if path.endswith(".payload"):
            dump._child.kill()
        return dump

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "open_dump", cut)
        done = world.fetch()
    assert (done["verdict"], {line["status"] for line in done["items"]}) == ("could not judge", {"could not judge"})
    assert world.brought() == []
    assert world.fetch()["verdict"] == "passed"


def test_too_little_space_is_told_before_anything_is_brought(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(logfetch.workdir, "free_bytes", lambda _path: 1000)
        with pytest.raises(NotJudgedError, match="1000 bytes are free, the files need 85"):
            world.fetch()
        assert world.brought() == []
    world.fetch()
    monkeypatch.setattr(logfetch.workdir, "free_bytes", lambda _path: 0)
    assert not world.fetch()["changed"]


def test_a_bad_archive_does_not_keep_the_others_away(harmed):
    world = harmed
    far = world.base / "miyun" / "mediation"
    listed = world.far.snapshots()
    kinds, _ = locate.sort_snapshots(listed, "mediation")
    newest = kinds["logs:app1"]["payloads"][0]
    (far / "snapshots" / newest["site_id"]).unlink()
    done = world.fetch("miyun")
    assert [(line["status"], line.get("new_files")) for line in done["items"]] == [("failed", None), ("fetched", 4)]
    assert "payload missing" in done["items"][0]["reason"]
    assert done["verdict"] == "failed"


@pytest.mark.parametrize("name", ["/../../etc/cron.d/x.log.1", "/var/log/../x.log.1", "relative.log.1", "/"])
def test_a_manifest_whose_names_lead_elsewhere_is_refused_whole(world, monkeypatch, name):
    """Nobody's ledger is asked: a controller made anew must be able to read, and must not be led astray."""
    real = logfetch.Manifest.lines

    def lines(self):
        for line in real(self):
            yield {**line, "p": name} if line.get("t") == "file" else line

    monkeypatch.setattr(logfetch.Manifest, "lines", lines)
    done = world.fetch(accepted=[])
    assert {line["status"] for line in done["items"]} == {"failed"}
    assert all("path" in line["reason"] for line in done["items"])
    assert not world.into.exists()


def test_a_site_that_cannot_be_reached_and_a_missing_program_say_nothing_about_the_archive(harmed, monkeypatch):
    world = harmed
    (world.base / "bin" / "ssh").write_text("#!/bin/sh\nexit 255\n")
    with pytest.raises(NotJudgedError, match="repository of mediation"):
        world.fetch()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(world.base / "host"))
        with pytest.raises(RestoreError, match="restic: it is not on this controller's PATH"):
            world.fetch()


def test_the_command_brings_them_back_in_a_recorded_run_that_only_reads(world, estate, monkeypatch):
    key = world.secrets["miyun-read"]
    for name, fields in (
        ("repository-local", world.secrets["repository-local"]),
        ("repository-miyun", world.secrets["repository-miyun"]),
        ("local-read", key),
        ("miyun-read", key),
    ):
        estate.bao.put(f"systems/mediation/{name}", **fields)
    first, last = (datetime.fromtimestamp(NOW - days * DAY, UTC).date().isoformat() for days in (61, 59))
    given = ["--host", "app1", "--path", str(world.logs.place), "--from", first, "--to", last]
    command = [str(BIN / "yunwei"), "logs", "fetch", *given, "--into", str(world.into), "--json"]
    command += ["-i", str(estate.inventory.folder)]
    environment = estate.environment(PATH=os.environ["PATH"])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert len(world.brought()) == 4
    run = estate.last_run()
    assert (run["job"], run["status"], run["permits"][0]["locks"], run["signed"]) == ("fetch-logs", "done", {}, "yes")
    assert run["permits"][0]["options"]["into"] == str(world.into)
    (line,) = [item for task in run["tasks"] for item in (task.get("yunwei") or {}).get("items", [])]
    assert (line["status"], line["new_files"], line["folder"][: len(str(world.into))]) == (
        "fetched",
        4,
        str(world.into),
    )
    path = next(world.into.rglob("er.log.1"))
    path.write_text("mine")
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 3, f"{again.stdout}\n{again.stderr}"
    assert "something else is in its place" in again.stdout
    assert path.read_text() == "mine"
