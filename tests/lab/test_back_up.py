"""Backups under faults of real hosts: what failed has a name and leaves nothing, what did not fail is there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.conftest import Lab

pytestmark = pytest.mark.lab

SYSTEM = "legalservice"
DATABASE, FILES = "database:legalservice", "files:portal"
NOW = ("run", "back-up", "--now", "--system", SYSTEM)
PG_DUMP = "/usr/lib/postgresql/15/bin/pg_dump"


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {item["item"]: item["status"] for item in document["items"]}


def reasons(document: dict[str, Any]) -> dict[str, str]:
    return {item["item"]: item["reason"] for item in document["items"]}


def snapshots(lab: Lab) -> set[str]:
    return set(lab.podman("backup1", "ls", f"/srv/backup/{SYSTEM}/repo/snapshots").stdout.split())


def records(lab: Lab) -> list[dict[str, Any]]:
    folder = f"/srv/backup/{SYSTEM}/records"
    names = [name for name in lab.podman("backup1", "ls", folder).stdout.split() if name.endswith(".json")]
    return [json.loads(lab.podman("backup1", "cat", f"{folder}/{name}").stdout) for name in names]


def assert_clean(lab: Lab) -> None:
    """Assert that every snapshot belongs to a record, nothing is locked or pending, and no secret lies about."""
    needed = {name for one in records(lab) for name in (one["record_id"], one["payload"]["snapshot"], *one["parents"])}
    assert snapshots(lab) == needed
    for folder in (f"/srv/backup/{SYSTEM}/repo/locks", f"/srv/backup/{SYSTEM}/records/pending"):
        assert set(lab.podman("backup1", "ls", "-A", folder).stdout.split()) <= {"sync.json"}
    assert f"yunwei-run-{SYSTEM}" not in lab.podman("backup1", "ls", "/dev/shm").stdout
    assert lab.podman("backup1", "pgrep", "-f", f"ssh-agent.*{SYSTEM}", check=False).stdout == ""


@contextmanager
def false_pg_dump(lab: Lab, script: str) -> Iterator[None]:
    """Put a script in the place of pg_dump on db1; $REAL is the real one."""
    lab.podman("db1", "mv", PG_DUMP, PG_DUMP + ".real")
    try:
        lab.podman("db1", "sh", "-c", f"cat >{PG_DUMP} && chmod 755 {PG_DUMP}", stdin=script)
        yield
    finally:
        lab.podman("db1", "mv", PG_DUMP + ".real", PG_DUMP)


DUMPS = {
    "early": ("echo 'pg_dump: error: no such thing' >&2; exit 1", "no such thing"),
    "midway": ("{ $REAL \"$@\"; } | head -c 1000000; echo 'pg_dump: error: gone' >&2; exit 1", "gone"),
    "killed midway": ('{ $REAL "$@"; } | head -c 1000000; kill -9 $$', "pg_dump"),
    "at its last byte, saying that all is well": ('$REAL "$@" | head -c -1; exit 0', "cannot be read to its end"),
    "after a fifth, saying that all is well": ('$REAL "$@" | head -c 700000; exit 0', "cannot be read to its end"),
}


@pytest.fixture(scope="module", autouse=True)
def _a_backup(lab):
    lab.plain("back-up", [SYSTEM])


# Every way a stream can end is tried without hosts in tests/local/test_pull_damaged.py.
IN_CHECK = {"early", "midway", "at its last byte, saying that all is well"}


@pytest.mark.parametrize(
    "point", [point if point in IN_CHECK else pytest.param(point, marks=pytest.mark.long) for point in DUMPS]
)
def test_a_dump_that_ends_badly_is_refused(lab, point):
    action, reason = DUMPS[point]
    script = f'#!/bin/sh\nREAL={PG_DUMP}.real\ncase "$*" in *-Fc*) {action};; *) exec $REAL "$@";; esac\n'
    with false_pg_dump(lab, script):
        found = lab.json(*NOW, expect=1)
    assert statuses(found) == {DATABASE: "failed", FILES: "accepted"}
    assert reason in reasons(found)[DATABASE]
    assert_clean(lab)


def test_a_database_that_refuses_connections_is_named(lab):
    lab.podman("db1", "systemctl", "stop", "postgresql@15-main")
    try:
        planned = lab.json("plan", "back-up", "--now", "--system", SYSTEM, expect=1)
        found = lab.json(*NOW, expect=1)
    finally:
        lab.podman("db1", "systemctl", "start", "postgresql@15-main")
    for document in (planned, found):
        assert statuses(document)[DATABASE] == "failed"
        assert "connection" in reasons(document)[DATABASE]
    assert statuses(found)[FILES] == "accepted"
    assert_clean(lab)


def test_a_source_host_that_is_down_is_named(lab):
    lab.engine("stop", "-t", "2", "legacy1")
    try:
        planned = lab.json("plan", "back-up", "--now", "--system", SYSTEM, expect=1)
        found = lab.json(*NOW, expect=1)
    finally:
        lab.engine("start", "legacy1")
        _await(lambda: lab.podman("legacy1", "systemctl", "is-active", "ssh", check=False).stdout.strip() == "active")
    for document in (planned, found):
        assert "ssh: connect to host" in reasons(document)[FILES]
    assert statuses(found) == {DATABASE: "accepted", FILES: "failed"}
    assert_clean(lab)


@contextmanager
def _rows_kept(lab: Lab, database: str, table: str) -> Iterator[None]:
    """Put the rows of an unlogged table back after the block: a crash empties it, and the next backup tells so."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c"]
    rows = lab.podman("db1", *psql, f"COPY {table} TO STDOUT").stdout
    yield
    lab.podman("db1", *psql, f"TRUNCATE {table}")
    lab.podman("db1", *psql, f"COPY {table} FROM STDIN", stdin=rows)


def test_a_source_host_that_goes_down_during_its_dump_is_named(lab):
    def power_off() -> None:
        _await(lambda: lab.podman("db1", "pgrep", "-f", "sleep 7777", check=False).returncode == 0)
        lab.engine("kill", "db1")

    script = f'#!/bin/sh\nREAL={PG_DUMP}.real\ncase "$*" in *-Fc*) $REAL "$@" | (head -c 1000000; sleep 7777);; '
    script += '*) exec $REAL "$@";; esac\n'
    with _rows_kept(lab, "mediation", "mediation.session_cache"), false_pg_dump(lab, script):
        try:
            found = _beside(power_off, lambda: lab.json(*NOW, expect=1))
        finally:
            lab.start("db1")
    assert statuses(found) == {DATABASE: "failed", FILES: "accepted"}
    assert "db1" in reasons(found)[DATABASE]
    assert_clean(lab)


def test_a_wrong_repository_password_is_named(lab):
    with _aside(lab, f"/srv/backup/{SYSTEM}/repo"):
        lab.podman("backup1", "sh", "-c", f"echo other | restic init -q -r /srv/backup/{SYSTEM}/repo -p /dev/stdin")
        found = lab.run(*NOW, "--json")
    assert found.returncode == 1
    assert "the password in Vault opens no key of the repository" in found.stdout


def test_a_repository_that_is_gone_is_not_made_anew(lab):
    with _aside(lab, f"/srv/backup/{SYSTEM}/repo"):
        found = lab.run(*NOW, "--json")
        assert lab.podman("backup1", "ls", f"/srv/backup/{SYSTEM}").stdout.split() == ["records", "repo.aside"]
    assert found.returncode == 1
    assert "is absent, but" in found.stdout
    assert "records say what it held" in found.stdout


def test_a_killed_module_is_cleared_up_by_the_same_command(lab):
    script = f'#!/bin/sh\nREAL={PG_DUMP}.real\ncase "$*" in *-Fc*) $REAL "$@" | (head -c 9000000; sleep 5; cat);; '
    script += '*) exec $REAL "$@";; esac\n'

    def kill_it() -> None:
        _await(lambda: any(name.endswith("database-legalservice.json") for name in _notes(lab)))
        pid = lab.podman("backup1", "pgrep", "-f", "restic .*database-legalservice.payload").stdout.split()[0]
        module = lab.podman("backup1", "ps", "-o", "ppid=", "-p", pid).stdout.strip()
        lab.podman("backup1", "kill", "-9", module)

    before = {one["record_id"] for one in records(lab)}
    with false_pg_dump(lab, script):
        _beside(kill_it, lambda: lab.json(*NOW, expect=1))
    kept = [one for one in records(lab) if one["record_id"] not in before]
    assert not [one for one in kept if one["item"] == DATABASE]
    found = lab.json(*NOW)
    assert statuses(found) == {DATABASE: "accepted", FILES: "accepted"}
    assert_clean(lab)


def test_two_runs_on_one_host_at_once_the_second_is_refused(lab):
    holder = json.dumps({"run_id": "r-by-hand", "job": "back-up", "pid": 1, "since": "now"})
    lock = f"/run/yunwei-locks/yunwei-{SYSTEM}.lock"
    command = f"umask 077; mkdir -p -m 0711 /run/yunwei-locks; echo '{holder}' >{lock}; exec flock {lock} sleep 60"
    lab.podman("backup1", "systemd-run", "--unit=holder", "sh", "-c", command)
    try:
        _await(lambda: lab.podman("backup1", "flock", "-n", lock, "true", check=False).returncode != 0)
        found = lab.run(*NOW, "--json")
    finally:
        lab.podman("backup1", "systemctl", "stop", "holder")
    assert found.returncode == 3
    assert "run r-by-hand (job back-up" in found.stdout


def _notes(lab: Lab) -> list[str]:
    return lab.podman("backup1", "ls", f"/srv/backup/{SYSTEM}/records/pending", check=False).stdout.split()


def _await(condition: Any, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"did not happen within {seconds} s"
        time.sleep(0.2)


def _beside(first: Any, second: Any) -> Any:
    """Call `first` while `second` runs; return what `second` returned."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        done = pool.submit(second)
        pool.submit(first).result()
        return done.result()


@contextmanager
def _aside(lab: Lab, path: str) -> Iterator[None]:
    lab.podman("backup1", "mv", path, path + ".aside")
    try:
        yield
    finally:
        lab.podman("backup1", "rm", "-rf", path)
        lab.podman("backup1", "mv", path + ".aside", path)
