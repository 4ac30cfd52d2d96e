"""A backup server in a folder: real restic, real ssh-agent, and a stand-in for the ssh connection to a source host.

The stand-in is an `ssh` on PATH that runs `tests/fixtures/fake_source.py`, which speaks the real wire protocol (files
come from the real source program). What it should do wrong is written in a file that it reads.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yunwei_host import backup, copy, fence, heads, hostlock, rundir, sitelock
from yunwei_host.clock import stamp
from yunwei_host.records import RecordStore
from yunwei_host.restic import Repository

FIXTURES = Path(__file__).parent / "fixtures"
DUMP = FIXTURES / "pg_dump_small.dump"
PASSWORD = 'a \'$word {{ with }} "all" 密'  # noqa: S105  (of a repository in a test's folder)
FAR_PASSWORD = "of miyun"  # noqa: S105


class World:
    """One system, `mediation`, with a database and a file set on host db1."""

    def __init__(self, base: Path, monkeypatch: Any) -> None:
        self.base = base
        self.tree = base / "tree"
        self.tree.mkdir()
        self.runs = 0
        self.ended = ""
        self._install_programs()
        (base / "locks").mkdir()
        # Short, because the agent's socket is in there: a socket's path ends at 107 bytes.
        self.tmpfs = tempfile.mkdtemp(prefix="yw-", dir="/dev/shm")
        atexit.register(shutil.rmtree, self.tmpfs, ignore_errors=True)
        self.enter(monkeypatch)
        self.secrets = {"repository-local": {"password": PASSWORD}, "source-db1": _key_pair(base)}
        self.work = self._work()
        self.store = RecordStore(self.work["records"])
        self.repository = Repository(self.work["repository"], PASSWORD)

    def enter(self, monkeypatch: Any) -> None:
        """Let the product's code of this process find this world's programs and folders."""
        monkeypatch.setenv("PATH", f"{self.base / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setattr(hostlock, "FOLDER", str(self.base / "locks"))
        monkeypatch.setattr(fence, "FOLDER", str(self.base / "remembered-locks"))
        monkeypatch.setattr(rundir, "TMPFS", self.tmpfs)

    def _install_programs(self) -> None:
        folder = self.base / "bin"
        folder.mkdir()
        ssh = folder / "ssh"
        ssh.write_text(
            f'#!/bin/sh\ncase "$*" in *site-miyun*) part=site;; *) part=source;; esac\n'
            f'exec {sys.executable} {FIXTURES}/fake_$part.py {self.base} "$@"\n'
        )
        ssh.chmod(0o755)
        restic = folder / "restic"
        restic.write_text(
            # Real restic; only the keys that it makes are made cheap to open, which else costs half a second each time.
            f'#!/bin/sh\ncase " $* " in *" init "*) /usr/bin/restic "$@" || exit\n'
            f"exec {sys.executable} {FIXTURES}/cheap_key.py {self.base};; esac\n"
            'exec /usr/bin/restic "$@"\n'
        )
        restic.chmod(0o755)
        (self.base / "passwords.json").write_text(json.dumps([PASSWORD, FAR_PASSWORD]))
        self.misbehave()

    def _work(self) -> dict[str, Any]:
        items = [
            self._item("database", "main", "postgresql"),
            self._item("files", "app", None),
        ]
        return {
            "system": "mediation",
            "repository": str(self.base / "mediation" / "repo"),
            "records": str(self.base / "mediation" / "records"),
            "known_hosts": ["db1.example ssh-ed25519 AAAA"],
            "items": items,
            "now": False,
            "time": "2026-03-01T00:00:00Z",
            "parallel": 2,
            "tripwire": {
                "table_rows_percent": 30,
                "all_rows_percent": 20,
                "tables_gone": 0,
                "minimum_rows": 1000,
                "files_percent": 30,
                "minimum_files": 50,
                "rewritten_points": 40,
                "minimum_bytes": 1 << 20,
                "hold": 3,
                "releases": [],
            },
        }

    def _item(self, kind: str, name: str, engine: str | None) -> dict[str, Any]:
        return {
            "item": f"{kind}:{name}",
            "slug": f"{kind}-{name}",
            "kind": kind,
            "name": name,
            "engine": engine,
            "no_driver": None,
            "source_host": "db1",
            "source_address": "192.0.2.12",
            "source_port": 22,
            "account": "yunwei-source",
            "secret": "source-db1",
            "ssh_options": [],
            "full_every_days": 30 if kind == "files" else None,
            "lock_timeout_seconds": 10 if kind == "database" else None,
            "rpo_seconds": 86400,
            "schedule": {"last_scheduled": "2026-01-01T00:00:00Z", "next_due": "2026-01-02T00:00:00Z"},
        }

    def misbehave(self, **how: Any) -> None:
        """Tell the source what to do wrong from now on; nothing: answer well."""
        (self.base / "source.json").write_text(json.dumps({"tree": str(self.tree), "dump": str(DUMP), **how}))

    def only(self, kind: str) -> None:
        """Leave only the items of `kind` in the work."""
        self.work["items"] = [item for item in self.work["items"] if item["kind"] == kind]

    def permit(self) -> dict[str, Any]:
        """Return the permit of a new run, with a lock number of its own."""
        self.runs += 1
        lock = {"locks": {"mediation": self.runs}, "lock_series": {"mediation": "of-test"}}
        return {"run_id": f"r-test-{self.runs}", "job": "back-up", **lock}

    def back_up(self, **changes: Any) -> dict[str, Any]:
        """Run a backup as the module does and return its summary with `changed` added.

        It never begins in the second in which the one before ended: by their seconds are records put in order.
        """
        while stamp() == self.ended:
            time.sleep(0.05)
        summary, changed = backup.back_up({**self.work, **changes}, self.permit(), self.secrets)
        json.dumps(summary)
        self.ended = stamp()
        return {**summary, "changed": changed}

    def preview(self, **changes: Any) -> dict[str, Any]:
        summary: dict[str, Any] = backup.preview({**self.work, **changes}, self.permit(), self.secrets)
        return summary

    def snapshots(self, what: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.repository.snapshots()
        return [snap for snap in found if what is None or what in snap["tags"]]

    def lines(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the stored manifest of a record."""
        dump = self.repository.open_dump(record["record_id"], record["manifest_path"])
        text = b"".join(iter(dump.read, b""))
        dump.finish()
        return [json.loads(line) for line in text.splitlines()]

    def payload(self, record: dict[str, Any]) -> bytes:
        dump = self.repository.open_dump(record["payload"]["snapshot"], record["payload"]["path"])
        data = b"".join(iter(dump.read, b""))
        dump.finish()
        return data


@contextmanager
def left_untouched(folder: Path) -> Iterator[None]:
    """Assert that the block changes no file below `folder`."""
    before = _listing(folder)
    yield
    assert _listing(folder) == before


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def _make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def _key_pair(base: Path) -> dict[str, str]:
    _make_key(base / "key")
    return {"private_key": (base / "key").read_text(), "public_key": (base / "key.pub").read_text()}


class TwoSites(World):
    """The same with a second site, whose receipts the real program signs."""

    def __init__(self, base: Path, monkeypatch: Any) -> None:
        super().__init__(base, monkeypatch)
        for name in ("miyun/mediation", "remembered", "heads", "copies", "sessions", "limits", "pins"):
            (base / name).mkdir(parents=True)
        self.limit_site()
        _make_key(base / "receipt_key")
        self.site_misbehaves()
        self.secrets["repository-miyun"] = {"password": FAR_PASSWORD}
        self.secrets["miyun-append"] = self.secrets["miyun-read"] = self.secrets["source-db1"]
        self.far = Repository(str(base / "miyun" / "mediation"), FAR_PASSWORD)
        remote = {
            "site": "miyun",
            "address": "198.51.100.139",
            "port": 22,
            "user": "miyun-append",
            "path": "/srv/miyun/mediation",
            "secret": "miyun-append",
            "repository_secret": "repository-miyun",
            "host_keys": ["198.51.100.139 ssh-ed25519 AAAA"],
            "receipt_public_key": (base / "receipt_key.pub").read_text(),
        }
        self.sync_work = {
            **{name: self.work[name] for name in ("system", "repository", "records", "time")},
            "items": [item["item"] for item in self.work["items"]],
            "remote": remote,
            "target": {
                "kind": "append_over_ssh",
                "share_name": None,
                "share_path": None,
                "replica_wait_seconds": 0,
            },
            "bandwidth_kib_per_second": 0,
            "probe_every_days": 1,
            "head": {"count": 1, "hash": "0" * 64},
        }
        # Of an hour ago, so that no sync tries anew what one test is about.
        last = {"at": stamp(time.time() - 3600), "snapshot": "0" * 64, "tries": [], "fault": None, "refused": True}
        self.store.keep_probe("miyun", {"last": last})

    def enter(self, monkeypatch: Any) -> None:
        super().enter(monkeypatch)
        monkeypatch.setattr(copy, "CACHE", str(self.base / "cache"))
        monkeypatch.setattr(sitelock, "FOLDER", str(self.base / "sessions"))

    def limit_site(self, quota_bytes: int = 1 << 30, keep_free_bytes: int = 0) -> None:
        """Set the quota of the system at the second site."""
        limits = {"quota_bytes": quota_bytes, "keep_free_bytes": keep_free_bytes}
        (self.base / "limits" / "mediation.json").write_text(json.dumps(limits))

    def site_misbehaves(self, **how: Any) -> None:
        """Tell the second site what to do wrong from now on; nothing: answer well."""
        (self.base / "site.json").write_text(json.dumps(how))

    def sync(self, **changes: Any) -> dict[str, Any]:
        """Run a sync as the module does and return its summary with `changed` added."""
        permit = {**self.permit(), "job": "sync-to-miyun"}
        summary, changed = copy.sync({**self.sync_work, **changes}, permit, self.secrets)
        json.dumps(summary)
        return {**summary, "changed": changed}

    def read_heads(self) -> dict[str, Any]:
        """Read the countersigned heads as the module does and return its summary."""
        remote = {**self.sync_work["remote"], "user": "miyun-read", "secret": "miyun-read"}
        work = {"system": "mediation", "site": "miyun", "remote": remote}
        summary: dict[str, Any] = heads.read_heads(work, self.secrets)
        return summary

    def preview_sync(self) -> dict[str, Any]:
        summary: dict[str, Any] = copy.preview(self.sync_work, self.secrets)
        return summary


def one_copied(base: Path, monkeypatch: Any) -> TwoSites:
    """Return two sites of which the second has a proven copy of one backup of files."""
    made = TwoSites(base, monkeypatch)
    made.only("files")
    made.back_up()
    made.sync()
    return made


def killed(act: Callable[[], object], when: Callable[[], bool] | None = None) -> None:
    """Run `act` in a process of its own that dies by SIGKILL: when `when` says so, else by itself."""
    child = os.fork()
    if not child:
        try:
            act()
        finally:
            os._exit(0)
    deadline = time.time() + 120
    while when and not when():
        assert time.time() < deadline, "the moment to kill it did not come"
        time.sleep(0.01)
    if when:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it was not killed"
    assert os.WTERMSIG(status) == signal.SIGKILL


def die(*_: object, **__: object) -> None:
    """Take the place of a step: end this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
