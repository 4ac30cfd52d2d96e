"""Fetching from a real restic repository: what comes is what was backed up, or the object at fault is named."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from yunwei_host import faults
from yunwei_restore import fetch, site, workdir
from yunwei_restore.errors import BadBackupError, NotJudgedError, RefusedError
from yunwei_restore.report import Report

from tests.pull_world import FIXTURES

PASSWORD = "correct horse 中文 '\"$"  # noqa: S105 - of a repository made here
ITEM = "database:m"
DUMP = b"dump " * 100_000


class Site:
    """A repository at site local with one accepted backup, and the unit of work that restores it."""

    def __init__(self, folder: Path, ready: Path | None = None):
        self.path, self.folder = folder / "repo", folder
        self.work = workdir.WorkDir(str(folder / "restore" / "r-1")).create({"system": "s"})
        if ready is None:
            self.restic("init")
            self.payload = self.save("payload", DUMP)
        else:
            shutil.copytree(ready, self.path)
            self.payload = next((ready / "snapshots").iterdir()).name

    def restic(self, *words, given=b"", password=PASSWORD):
        command = ["restic", "-r", str(self.path), "-p", "/dev/stdin", *words]
        if given:
            command[4] = str(self.folder / "password")
            (self.folder / "password").write_text(password)
        done = subprocess.run(command, input=given or password.encode(), capture_output=True, check=True)
        return done.stdout

    def save(self, kind, content, run="r-0", item=ITEM):
        tags = ["--tag", f"yunwei,{kind},item:{item},run:{run}"]
        name = f"/{item.replace(':', '-')}.{kind}"
        words = ["backup", "--json", "--stdin", "--stdin-filename", name, "--host", "s", *tags]
        short = json.loads(self.restic(*words, given=content).splitlines()[-1])["snapshot_id"]
        return next(path.name for path in (self.path / "snapshots").iterdir() if path.name.startswith(short))

    def record(self, **changes):
        payload = {"snapshot": self.payload, "path": "/database-m.payload", "bytes": len(DUMP)}
        payload["sha256"] = hashlib.sha256(DUMP).hexdigest()
        record = {"t": "record", "format": 1, "system": "s", "item": ITEM, "kind": "database", "payload": payload}
        record |= {"parents": [], "started": "2026-01-01T00:00:00Z", "snapshot_at": "2026-01-01T00:00:01.5Z"}
        return {**record, **changes}

    def manifest(self, record=None, run="r-0"):
        lines = [record or self.record(), {"t": "database", "name": "m", "bytes_estimate": 1000}]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        return self.save("manifest", content, run), hashlib.sha256(content).hexdigest()

    def unit(self, **changes):
        item = {"item": ITEM, "slug": "database-m", "kind": "database", "name": "m", "record": None, "paths": []}
        unit = {"system": "s", "restore_id": "r-1", "mode": "drill", "site": "local", "remote": None}
        unit |= {
            "repository": str(self.path),
            "backup_server": "here",
            "accepted": None,
            "verified": [],
            "reserve_bytes": 0,
        }
        unit |= {"items": [{**item, "target_host": "here"}], "part": {"files": None, "table": None}}
        return {**unit, **changes}

    def fetch(self, password=PASSWORD, **changes):
        unit = self.unit(**changes)
        report = Report(unit, "here")
        fetch.run(unit, "here", {"repository-local": {"password": password}}, report, self.work)
        return report


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ready")
    made = Site(folder)
    (folder / "passwords.json").write_text(json.dumps([PASSWORD]))
    subprocess.run([sys.executable, str(FIXTURES / "cheap_key.py"), str(folder)], check=True)
    return made.path


@pytest.fixture
def at(tmp_path, ready):
    return Site(tmp_path, ready)


def test_brings_the_newest_backup_with_its_phases(at):
    record, digest = at.manifest()
    report = at.fetch(accepted=[digest])
    state = at.work.state["items"][ITEM]
    assert Path(state["paths"][at.payload]).read_bytes() == DUMP
    assert state["record"] == record
    assert [(phase["name"], phase["bytes"] > 0) for phase in report.phases.done] == [("locate", True), ("fetch", True)]
    assert report.facts["records"][ITEM]["snapshot_at"] == "2026-01-01T00:00:01.5Z"
    assert list(Path("/dev/shm").glob("yunwei-run-s-*")) == []


def test_a_manifest_that_the_ledger_does_not_know_is_reported_and_not_used(at):
    good, digest = at.manifest()
    forged, _ = at.manifest(at.record(snapshot_at="2026-02-01T00:00:00Z"), run="r-9")
    report = at.fetch(accepted=[digest])
    assert at.work.state["items"][ITEM]["record"] == good
    assert report.facts["ignored"] == [{"snapshot": forged, "why": "the ledger knows no accepted backup of this kind"}]
    with pytest.raises(BadBackupError, match="no backup at all that the ledger knows"):
        at.fetch(accepted=["0" * 64])


def test_the_recovery_point_is_of_what_is_restored_or_of_a_newer_copy_that_was_verified(at):
    old, first = at.manifest()
    newer, second = at.manifest(at.record(snapshot_at="2026-02-01T00:00:00Z"), run="r-1")
    newest, third = at.manifest(at.record(snapshot_at="2026-03-01T00:00:00Z"), run="r-2")
    forged, _ = at.manifest(at.record(snapshot_at="2026-04-01T00:00:00Z"), run="r-3")

    def point(record, **known):
        unit, secrets = at.unit(**known), {"repository-local": {"password": PASSWORD}}
        item = {**unit["items"][0], "record": record}
        with site.SiteReader(unit, "here", secrets, at.work.part("fetch", "cache")) as reader:
            return fetch.Locator(reader, unit, at.work, time.time()).plan(item)["newest"][:7]

    known = {"accepted": [first, second, third], "verified": [old, newer, forged]}
    assert point(old, **known) == "2026-02"
    assert point(newest, **known) == "2026-03"
    assert point(old, accepted=known["accepted"]) == "2026-01"
    assert point(None, **known) == "2026-03"


def test_a_payload_of_other_bytes_is_a_bad_backup(at):
    at.payload = at.save("payload", b"other bytes", run="r-1")
    at.manifest()
    with pytest.raises(BadBackupError, match=r"database:m: payload .* is not what was backed up: 11 bytes of 500000"):
        at.fetch()


def test_a_record_of_another_system_is_a_bad_backup(at):
    at.manifest(at.record(system="other"))
    with pytest.raises(BadBackupError, match="wrong in system"):
        at.fetch()


def test_a_record_of_the_future_is_a_bad_backup(at):
    at.manifest(at.record(snapshot_at="2199-01-01T00:00:00Z"))
    with pytest.raises(BadBackupError, match="lies in the future"):
        at.fetch()


def test_what_another_host_fetched_is_checked_before_it_is_taken_over(at):
    at.manifest()
    at.fetch()
    plans = list(at.work.state["items"].values())
    report = Report(at.unit(), "here")
    assert fetch.take_over(at.unit(), "here", plans, report, at.work)
    assert report.facts["restored_bytes"] > len(DUMP)
    with open(plans[0]["paths"][at.payload], "ab") as stream:
        stream.write(b"more")
    with pytest.raises(NotJudgedError, match=r"0\.payload was damaged on its way"):
        fetch.take_over(at.unit(), "here", plans, report, at.work)
    with pytest.raises(NotJudgedError, match="not what this host receives"):
        fetch.take_over(at.unit(), "here", [], report, at.work)


def test_a_payload_that_is_gone_is_named(at):
    at.manifest(at.record(payload={**at.record()["payload"], "snapshot": "9" * 64}))
    with pytest.raises(BadBackupError, match="payload missing: snapshot 9999"):
        at.fetch()


def test_a_flipped_byte_in_a_pack_is_a_bad_backup(at):
    at.manifest()
    pack = max((at.path / "data").rglob("*/*"), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[200] ^= 1
    pack.write_bytes(content)
    with pytest.raises(BadBackupError, match="the repository is damaged"):
        at.fetch()


def test_what_restic_says_of_a_pack_that_is_gone_is_a_bad_backup(at):
    # Recorded from restic 0.14 on a local repository; it retries for half a minute before it says so.
    said = "Load(<data/8e8a96cd3b>, 0, 0) failed: open /srv/repo/data/8e/8e8a96cd3b: no such file or directory"
    with site.SiteReader(at.unit(), "here", {"repository-local": {"password": "x"}}, "/nonexistent") as reader:
        judged = reader._judged(faults.ProgramFailedError(said), "database:m")
    assert isinstance(judged, BadBackupError)


def test_a_wrong_password_says_nothing_about_the_backup(at):
    with pytest.raises(NotJudgedError, match="password"):
        at.fetch(password="wrong")  # noqa: S106 - it must not fit


def test_a_site_without_a_repository_has_no_backup(at, tmp_path):
    with pytest.raises(BadBackupError, match="no repository at this site"):
        at.fetch(repository=str(tmp_path / "nothing"))


def test_a_site_that_does_not_answer_says_nothing_about_the_backup(at, tmp_path):
    remote = {"address": "127.0.0.1", "port": 1, "user": "x", "host_keys": [], "secret": "key"}
    remote["repository_secret"] = "repository-miyun"  # noqa: S105 - a name
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    secrets = {"repository-miyun": {"password": "x"}}
    secrets["key"] = {"private_key": key.read_text(), "public_key": key.with_suffix(".pub").read_text()}
    with (
        pytest.raises(NotJudgedError, match="miyun repository of s"),
        site.SiteReader(at.unit(remote=remote, site="miyun"), "here", secrets, at.work.part("fetch")) as reader,
    ):
        reader.snapshots()


def test_too_little_space_is_told_before_anything_is_fetched(at):
    at.manifest()
    with pytest.raises(NotJudgedError, match=r"disk: \d+ bytes are free"):
        at.fetch(reserve_bytes=1 << 60)
    assert not list(Path(at.work.part("fetch")).glob("*.payload"))


def test_a_table_that_is_not_in_the_backup_is_refused_before_anything_is_fetched(at):
    at.manifest()
    with pytest.raises(RefusedError, match="no such table"):
        at.fetch(part={"files": None, "table": "public.nonsense"})
    assert not list(Path(at.work.part("fetch")).glob("*.payload"))
