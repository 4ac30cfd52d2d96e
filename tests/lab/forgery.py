"""Makes bad backups at the second site, from outside: with the site's disk and the repository's password in hand."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.lab.conftest import Lab
from yunwei import policy
from yunwei.vault import VaultClient

CLUSTER_PORT = "5999"


def inside(lab: Lab, host: str, *command: str, user: str = "root", given: bytes = b"") -> bytes:
    """Return what a command inside a host writes; bytes in, bytes out."""
    words = ["podman", "exec", "-i", "-u", user, f"yunwei-{lab.slot}-{host}", *command]
    done = subprocess.run(words, input=given, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')[-2000:]}"
    return done.stdout


def secret(lab: Lab, path: str) -> dict[str, Any]:
    """Return a secret as the lab's engineer reads it."""
    vault = VaultClient(policy.load(lab.inventory).estate.vault)
    vault.login()
    try:
        return dict(vault.read(path))
    finally:
        vault.revoke()


@dataclass
class Forger:
    """The repository of one system at the second site, and what was forged into it."""

    lab: Lab
    system: str
    made: list[str] = field(default_factory=list)

    @property
    def repository(self) -> str:
        return f"/srv/miyun/{self.system}"

    def restic(self, *words: str, given: bytes = b"") -> bytes:
        """Run restic at the site as the account that owns the repository."""
        command = ["restic", "--no-cache", "-r", self.repository, "-p", "/dev/shm/forgery", *words]
        return inside(self.lab, "miyun1", *command, user="miyun-append", given=given)

    def __enter__(self) -> Forger:
        password = secret(self.lab, f"systems/{self.system}/repository-miyun")["password"]
        write = ["sh", "-c", "umask 077; cat > /dev/shm/forgery"]
        inside(self.lab, "miyun1", *write, user="miyun-append", given=str(password).encode())
        return self

    def __exit__(self, *_: object) -> None:
        if self.made:
            self.restic("forget", *self.made)
            self.made.clear()
        inside(self.lab, "miyun1", "rm", "-f", "/dev/shm/forgery")

    def newest(self, item: str, kind: str) -> dict[str, Any]:
        """Return the newest real snapshot of an item."""
        listed = json.loads(self.restic("snapshots", "--no-lock", "--json"))
        same = [one for one in listed if {kind, f"item:{item}"} <= set(one["tags"]) and one["id"] not in self.made]
        return max(same, key=lambda one: one["time"])

    def manifest(self, item: str) -> list[dict[str, Any]]:
        """Return the lines of the newest real manifest of an item, the record first."""
        raw = self.restic(
            "dump", "--no-lock", self.newest(item, "manifest")["id"], f"/{item.replace(':', '-')}.manifest"
        )
        return [json.loads(line) for line in raw.splitlines()]

    def payload(self, item: str) -> bytes:
        """Return the newest real payload of an item."""
        return self.restic(
            "dump", "--no-lock", self.newest(item, "payload")["id"], f"/{item.replace(':', '-')}.payload"
        )

    def save(self, item: str, kind: str, content: bytes, run: str) -> str:
        """Store `content` as a snapshot that looks like a real one; return its id."""
        tags = f"yunwei,{kind},item:{item},run:{run}"
        words = [
            "--stdin",
            "--stdin-filename",
            f"/{item.replace(':', '-')}.{kind}",
            "--host",
            self.system,
            "--tag",
            tags,
        ]
        told = json.loads(self.restic("backup", "--json", *words, given=content).splitlines()[-1])
        listed = json.loads(self.restic("snapshots", "--no-lock", "--json"))
        found = str(next(one["id"] for one in listed if one["id"].startswith(told["snapshot_id"])))
        self.made.append(found)
        return found

    def forge(self, item: str, lines: list[dict[str, Any]], payload: bytes | None = None) -> None:
        """Store a backup whose record fits its payload: only what is in them is wrong."""
        run = f"r-forged-{time.monotonic_ns()}"
        record = {**lines[0], "run": run}
        if payload is not None:
            snapshot = self.save(item, "payload", payload, run)
            old = record["payload"]["snapshot"]
            digest = hashlib.sha256(payload).hexdigest()
            record["payload"] = {**record["payload"], "snapshot": snapshot, "bytes": len(payload), "sha256": digest}
            lines = [{**line, "in": snapshot} if line.get("in") == old else line for line in lines]
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in [record, *lines[1:]])
        self.save(item, "manifest", text.encode("ascii"), run)

    def first_blob(self, snapshot: str) -> tuple[str, int]:
        """Return the path of the pack that holds the first blob of a snapshot's file, and an offset in that blob."""
        tree = json.loads(self.restic("cat", "snapshot", "--no-lock", snapshot))["tree"]
        blob = json.loads(self.restic("cat", "blob", "--no-lock", tree))["nodes"][0]["content"][0]
        for index in self.restic("list", "index", "--no-lock").decode().split():
            for pack in json.loads(self.restic("cat", "index", "--no-lock", index))["packs"]:
                for one in pack["blobs"]:
                    if one["id"] == blob:
                        path = f"{self.repository}/data/{pack['id'][:2]}/{pack['id']}"
                        return path, one["offset"] + one["length"] // 2
        raise LookupError(blob)

    @contextmanager
    def damaged_pack(self, item: str) -> Iterator[None]:
        """Flip one byte of the newest payload of an item for a while."""
        pack, offset = self.first_blob(self.newest(item, "payload")["id"])
        flip = (
            "import sys; f=open(sys.argv[1],'r+b'); at=int(sys.argv[2]); "
            "f.seek(at); b=f.read(1); f.seek(at); f.write(bytes([b[0]^1]))"
        )
        inside(self.lab, "miyun1", "python3", "-c", flip, pack, str(offset))
        try:
            yield
        finally:
            inside(self.lab, "miyun1", "python3", "-c", flip, pack, str(offset))

    @contextmanager
    def hidden(self, pattern: str) -> Iterator[None]:
        """Take files of the repository away for a while, such as `snapshots/*`."""
        away = f"{self.repository}.hidden"
        move = f"mkdir -p {away} && cd {self.repository} && mv {pattern} {away}/"
        inside(self.lab, "miyun1", "sh", "-c", move)
        try:
            yield
        finally:
            folder = pattern.split("/", maxsplit=1)[0]
            inside(self.lab, "miyun1", "sh", "-c", f"mv {away}/* {self.repository}/{folder}/ && rmdir {away}")


def altered_dump(lab: Lab, dump: bytes, globals_sql: str, database: str, damage: str) -> bytes:
    """Return a dump of `database` after the SQL of `damage`, made in a passing cluster on db1."""
    psql = ["psql", "-X", "-q", "-p", CLUSTER_PORT, "-v", "ON_ERROR_STOP=1"]
    inside(lab, "db1", "pg_createcluster", "15", "forgery", "-p", CLUSTER_PORT, "--start")
    try:
        roles = [*psql[:-2], "-d", "postgres"]
        inside(lab, "db1", *roles, user="postgres", given=globals_sql.encode())
        load = ["pg_restore", "-p", CLUSTER_PORT, "--create", "-d", "postgres"]
        inside(lab, "db1", *load, user="postgres", given=dump)
        inside(lab, "db1", *psql, "-d", database, user="postgres", given=damage.encode())
        return inside(lab, "db1", "pg_dump", "-p", CLUSTER_PORT, "-Fc", "-Z0", database, user="postgres")
    finally:
        inside(lab, "db1", "pg_dropcluster", "--stop", "15", "forgery")
