"""A throw-away PostgreSQL server on this machine, and the work that upkeep and inspection are given for it.

`TEST_POSTGRESQL_BIN` names the folder of another version's programs, `TEST_POSTGRESQL_OLD` says that it is before 12.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yunwei_database import care
from yunwei_host import fence, hostlock

OWNER = "postgres"
DATABASE = "test"
NOW = "2026-01-01T00:00:00Z"
INSPECTION: dict[str, int] = {
    "connections_percent": 80, "transaction_seconds": 3600, "blocked_seconds": 60, "free_percent": 1,
    "wraparound_percent": 50, "dead_rows": 1000, "dead_rows_percent": 10, "changed_rows": 1000,
    "changed_rows_percent": 10, "bloat_percent": 30, "bloat_bytes": 1 << 20, "unused_bytes": 1 << 40,
    "sequence_percent": 80, "replication_lag_bytes": 1 << 30, "slot_bytes": 1 << 30,
}  # fmt: skip
MAINTENANCE: dict[str, int] = {
    "dead_rows": 1000, "dead_rows_percent": 10, "changed_rows": 1000, "changed_rows_percent": 10,
    "freeze_percent": 75, "bloat_percent": 30, "bloat_bytes": 2 << 20, "reserve_bytes": 0, "lock_wait_seconds": 1,
    "yield_seconds": 1, "transaction_seconds": 60, "statement_seconds": 300, "least_seconds": 60,
    "active_sessions": 50, "replication_lag_bytes": 1 << 30, "pause_seconds": 1, "longest_pause_seconds": 2,
}  # fmt: skip


def binaries() -> Path:
    """Return the folder of the server's programs; a missing server is an error, not a skip."""
    given = os.environ.get("TEST_POSTGRESQL_BIN")
    found = [Path(given) / "initdb"] if given else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "no PostgreSQL server is installed here (/usr/lib/postgresql/*/bin/initdb)"
    return found[-1].parent


class Server:
    """A server of its own below a new folder, reached by its socket only."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="yunwei-test-db-"))
        os.chown(self.folder, pwd.getpwnam(OWNER).pw_uid, -1)
        self.folder.chmod(0o755)
        self._held: list[subprocess.Popen[str]] = []

    def make(self, **settings: str) -> None:
        """Create and start it."""
        self.control("initdb", "-o", "-A trust -U postgres -N -E UTF8 --locale=C")
        given = {"autovacuum": "off", "fsync": "off", "listen_addresses": "''", **settings}
        given["unix_socket_directories"] = f"'{self.folder}'"
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in given.items())
        self.start()
        self.run(f"CREATE DATABASE {DATABASE}", "postgres")

    def start(self) -> None:
        """Start it, as it was stopped."""
        self.control("-w", "-l", str(self.folder / "log"), "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it."""
        self.control("-w", "-m", how, "stop", check=False)

    def control(self, *words: str, check: bool = True) -> None:
        """Run pg_ctl."""
        command = [str(binaries() / "pg_ctl"), "-D", str(self.folder / "data"), "-s", *words]
        subprocess.run(["runuser", "-u", OWNER, "--", *command], check=check, cwd="/", stdout=subprocess.DEVNULL)

    def remove(self) -> None:
        """Leave nothing."""
        for child in self._held:
            child.kill()
            child.communicate()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def words(self, database: str = DATABASE, role: str = "postgres") -> list[str]:
        """Return a command of psql."""
        return ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", role, "-d", database]

    def run(self, sql: str, database: str = DATABASE, role: str = "postgres") -> str:
        """Run SQL and return what it printed."""
        done = subprocess.run(self.words(database, role), input=sql, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def run_each(self, *texts: str) -> None:
        """Run each text in a session of its own: what a session counts is told to the server at its end."""
        for text in texts:
            self.run(text)

    def hold(self, sql: str, database: str = DATABASE) -> subprocess.Popen[str]:
        """Run SQL in a session that stays open; return when it is done."""
        child = subprocess.Popen(self.words(database), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._held.append(child)
        assert child.stdin
        assert child.stdout
        child.stdin.write(f"{sql};\n\\echo held\n")
        child.stdin.flush()
        while child.stdout.readline() != "held\n":
            assert child.poll() is None
        return child

    def start_session(self, sql: str) -> subprocess.Popen[str]:
        """Start SQL in a session and do not wait for it."""
        child = subprocess.Popen([*self.words(), "-c", sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._held.append(child)
        return child

    def fresh(self) -> None:
        """Make the database anew; what a test held open ends."""
        while self._held:
            child = self._held.pop()
            child.kill()
            child.communicate()
        for name in self.run("SELECT gid FROM pg_prepared_xacts").splitlines():
            self.run("ROLLBACK PREPARED '" + name.replace("'", "''") + "'")
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'test'", "postgres")
        self.run(f"DROP DATABASE IF EXISTS {DATABASE};\nCREATE DATABASE {DATABASE}", "postgres")

    def until(self, sql: str, wanted: str = "t", seconds: float = 20) -> None:
        """Wait until a question has this answer."""
        deadline = time.monotonic() + seconds
        while (found := self.run(sql)) != wanted:
            assert time.monotonic() < deadline, f"{sql}: {found}"
            time.sleep(0.05)

    def invalid(self) -> list[str]:
        """Return the names of invalid indexes."""
        return self.run(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT indisvalid"
        ).split("\n")

    def ours(self) -> str:
        """Return how many sessions of ours there are."""
        return self.run("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'yunwei-%'")


@contextlib.contextmanager
def running(**settings: str) -> Iterator[Server]:
    """Make a server and remove it."""
    server = Server()
    try:
        server.make(**settings)
        yield server
    finally:
        server.remove()


class Care:
    """What the modules do to a server's databases, with lock and memory in a test's own folder."""

    def __init__(self, server: Server, base: Path, patch: pytest.MonkeyPatch) -> None:
        self.server, self.base, self.runs, self.role = server, base, 0, "postgres"
        (base / "locks").mkdir(exist_ok=True)
        patch.setattr(hostlock, "FOLDER", str(base / "locks"))
        patch.setattr(fence, "FOLDER", str(base / "remembered-locks"))
        patch.setattr(care, "FOLDER", str(base / "databases"))
        self.limits = dict(MAINTENANCE)
        self.seconds = 3600

    def databases(self, *names: str) -> dict[str, Any]:
        """Return the part of the work that names databases."""
        login = {"port": 5432, "socket": str(self.server.folder), "os_user": OWNER, "role": self.role}
        return {
            "db1": [
                {"item": f"database:{name}", "name": name, "engine": "postgresql", "no_driver": None,
                 "login": {**login, "database": name}}
                for name in names or (DATABASE,)
            ]
        }  # fmt: skip

    def maintenance_work(self) -> dict[str, Any]:
        """Return a `DatabaseMaintenanceWork` whose window is open for `seconds`."""
        hours, rest = divmod(self.seconds, 3600)
        until = f"2026-01-01T{hours:02}:{rest // 60:02}:{rest % 60:02}Z"
        about = {"system": "mediation", "databases": self.databases(), "limits": self.limits, "closed": None}
        return {**about, "until": until}

    def permit(self) -> dict[str, Any]:
        """Return a permit with the next lock number."""
        self.runs += 1
        lock = {"locks": {"mediation": self.runs}, "lock_series": {"mediation": "of-test"}}
        return {"run_id": f"r-test-{self.runs}", "job": "maintain-databases", **lock}

    def plan(self) -> dict[str, str]:
        """Return the status of each step that is planned."""
        return statuses(care.plan(self.maintenance_work(), "db1")[0])

    def maintain(self, clock: Any = None) -> dict[str, Any]:
        """Do the upkeep; return the summary."""
        return dict(care.maintain(self.maintenance_work(), "db1", NOW, self.permit(), clock)[0])

    def inspect(self, **limits: int) -> dict[str, Any]:
        """Return what an inspection says of the one database."""
        work = {"system": "mediation", "databases": self.databases(), "limits": {**INSPECTION, **limits}}
        return dict(care.inspect(work, "db1")[0]["databases"][0])

    def findings(self, **limits: int) -> dict[tuple[str, str | None], dict[str, Any]]:
        """Return the evidence of each finding by check and object."""
        found = self.inspect(**limits)
        assert found["not_judged"] is None, found["not_judged"]
        return {(one["check"], one["object"]): one["evidence"] for one in found["findings"]}


def statuses(summary: dict[str, Any]) -> dict[str, str]:
    """Return the status of each row of a summary, by what it is about."""
    return {row["item"].removeprefix(f"database:{DATABASE} "): row["status"] for row in summary["items"]}


def reasons(summary: dict[str, Any]) -> str:
    """Return the reasons of all rows of a summary, for a look at one of them."""
    return "\n".join(str(row["reason"]) for row in summary["items"])
