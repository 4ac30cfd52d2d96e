"""Whatever happens to the source, its answer ends in a good trailer or it is no backup; users never wait for long."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Any

import pytest
from yunwei_host import frames

from tests.source_cluster import Cluster, Source, clusters

pytestmark = pytest.mark.lab

ROWS = """
CREATE DATABASE faults;
\\connect faults
CREATE TABLE large (id serial PRIMARY KEY, a text);
INSERT INTO large (a) SELECT repeat(md5(g::text), 30) FROM generate_series(1, 60000) g;
CREATE TABLE small (a int);
"""


@pytest.fixture(scope="module")
def cluster(lab):
    with clusters(f"yunwei-{lab.slot}-db1", "faults") as (made,):
        made.psql(ROWS)
        yield made


class Slow:
    """A dump whose listener stops listening after the first bytes: it stands still while `large` is being read."""

    def __init__(self, cluster: Cluster, lock_timeout_seconds: int = 10):
        self.cluster = cluster
        self.lines: list[dict[str, Any]] = []
        self.process = Source(cluster, lock_timeout_seconds).start("dump faults")
        assert self.process.stdout
        self._first = os.read(self.process.stdout.fileno(), len(frames.MAGIC))
        self.wait_for(self.dump_processes)
        time.sleep(1.0)

    def dump_processes(self) -> list[str]:
        return self.cluster.host.processes(f"^/usr/lib/postgresql/15/bin/pg_dump -Fc .*{self.cluster.folder}")

    def children(self) -> list[str]:
        return self.cluster.host.processes(f"^/usr/lib/postgresql/15/bin/.* -h {self.cluster.folder}")

    def transactions(self) -> int:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^yunwei-source'"
        return int(self.cluster.psql(sql, "faults"))

    def wait_for(self, condition, seconds: float = 30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = condition()
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError("it did not come to that")

    def listen(self) -> frames.SourceFailedError | frames.FrameRefusedError | None:
        """Take the rest of the answer, strictly; return why it was refused."""
        reading, writing = os.pipe()
        os.write(writing, self._first)
        assert self.process.stdout
        relay = subprocess.Popen(["cat"], stdin=self.process.stdout, stdout=writing)
        os.close(writing)
        try:
            for kind, content in frames.read_frames(reading, frames.Limits(idle_seconds=60)):
                self.lines += frames.parse_lines(content) if kind == "M" else []
        except (frames.SourceFailedError, frames.FrameRefusedError) as error:
            return error
        finally:
            os.close(reading)
            self.process.stdout.close()
            relay.wait(30)
            self.process.wait(30)
        return None


def test_an_undisturbed_slow_listener_gets_everything(cluster):
    slow = Slow(cluster)
    assert slow.listen() is None
    assert slow.process.returncode == 0


@pytest.mark.parametrize("number", ["-KILL", "-TERM", "-INT"])
def test_a_killed_dump_is_a_failure(cluster, number):
    slow = Slow(cluster)
    cluster.host.run("kill", number, *slow.dump_processes())
    error = slow.listen()
    assert isinstance(error, frames.SourceFailedError)
    assert error.where == "database faults"
    assert "pg_dump ended with" in error.reason
    assert slow.process.returncode == 1
    slow.wait_for(lambda: not slow.children() and not slow.transactions())


def test_a_killed_digest_session_is_a_failure(cluster):
    slow = Slow(cluster)
    cluster.host.run("kill", *cluster.host.processes(f"bin/psql -XqAtw .*{cluster.folder}"))
    assert isinstance(slow.listen(), frames.SourceFailedError)
    assert slow.process.returncode == 1


def test_a_stopped_server_is_a_failure(cluster):
    slow = Slow(cluster)
    cluster.control("-m", "immediate", "restart")
    assert isinstance(slow.listen(), frames.SourceFailedError)
    assert slow.process.returncode == 1


def test_a_listener_that_goes_away_leaves_nothing_running(cluster):
    slow = Slow(cluster)
    assert slow.process.stdout
    slow.process.stdout.close()
    slow.process.kill()  # podman's own end: the program's pipe is broken
    slow.process.wait(10)
    slow.wait_for(lambda: not slow.children() and not slow.transactions())


@pytest.mark.parametrize("number", ["-TERM", "-HUP"])
def test_a_stopped_program_leaves_nothing_running(cluster, number):
    slow = Slow(cluster)
    cluster.host.run("kill", number, *cluster.host.processes("^python3 -B -c"))
    error = slow.listen()
    assert error is not None
    assert slow.process.returncode == 1
    slow.wait_for(lambda: not slow.children() and not slow.transactions())


def test_a_program_that_is_killed_outright_leaves_no_good_answer_and_no_snapshot(cluster):
    slow = Slow(cluster)
    cluster.host.run("kill", "-KILL", *cluster.host.processes("^python3 -B -c"))
    assert isinstance(slow.listen(), frames.FrameRefusedError)
    slow.wait_for(lambda: not slow.children() and not slow.transactions())


def test_waiting_for_anothers_lock_ends_after_the_timeout(cluster):
    words = ("psql", "-Xq", "-h", cluster.folder, "-p", "54399", "-U", "postgres", "-d", "faults")
    with subprocess.Popen(cluster.host.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write(b"BEGIN; LOCK TABLE small; SELECT 'held';\n")
        holder.stdin.flush()
        while b"held" not in (line := holder.stdout.readline()):
            assert line
        heard = Source(cluster, 2).run("dump faults")
        holder.stdin.close()
    assert heard.code == 1
    assert heard.failure
    assert "timeout" in heard.failure.reason
    assert "small" in f"{heard.failure.where} {heard.failure.reason}"


def test_the_dump_gives_way_to_a_waiting_statement(cluster):
    """Users queue behind a waiting ALTER TABLE: it must get its turn soon, and nobody may take the dump for good."""
    slow = Slow(cluster, lock_timeout_seconds=2)
    cluster.psql("ALTER TABLE large ADD COLUMN b int; ALTER TABLE large DROP COLUMN b", "faults")
    error = slow.listen()
    assert isinstance(error, frames.SourceFailedError)
    assert "of postgres waited too long for our lock on public.large" in error.reason


def test_a_statement_on_another_table_disturbs_nobody(cluster):
    slow = Slow(cluster, lock_timeout_seconds=2)
    cluster.psql("CREATE TABLE fresh (a int); DROP TABLE fresh; INSERT INTO large (a) VALUES ('x')", "faults")
    time.sleep(4)
    assert slow.listen() is None


def test_a_damaged_table_is_named(cluster):
    cluster.psql("CREATE TABLE broken AS SELECT repeat('x', 100) FROM generate_series(1, 500); CHECKPOINT", "faults")
    path = cluster.psql("SELECT pg_relation_filepath('broken')", "faults").strip()
    cluster.host.run("sh", "-c", f"yes | head -c 100 | dd of={cluster.folder}/data/{path} bs=1 seek=8192 conv=notrunc")
    cluster.control("-m", "fast", "restart")
    heard = Source(cluster).run("dump faults")
    cluster.psql("DROP TABLE broken", "faults")
    assert heard.code == 1
    assert heard.failure
    assert "broken" in f"{heard.failure.where} {heard.failure.reason}"


def test_sequences_move_while_the_dump_runs(cluster):
    slow = Slow(cluster)
    cluster.psql("SELECT nextval('large_id_seq') FROM generate_series(1, 10)", "faults")
    assert slow.listen() is None
    (line,) = [line for line in slow.lines if line["t"] == "sequence"]
    assert line["after"][0] == line["before"][0] + 10
    assert line["before"][0] >= line["column_max"]


def test_a_database_that_is_down_is_told_as_such(cluster):
    source = Source(cluster)
    cluster.stop()
    try:
        heard = source.run("dump faults")
        listed = source.run("list")
    finally:
        cluster.control("start")
    assert heard.code == 1
    assert heard.failure
    assert "No such file or directory" in heard.failure.reason or "refused" in heard.failure.reason
    assert [line["reachable"] for line in listed.lines] == [False] * len(listed.lines)
