"""What stands against a restart, asked of real servers, real file systems and real sockets on this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from yunwei_restart import database, processes, storage
from yunwei_restart.host import Host
from yunwei_restore import server as postgresql

LIMITS = {"transaction_seconds": 0, "lag_bytes": 0}
# PostgreSQL refuses to run as root.
ACCOUNT = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
AS_ACCOUNT = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def items(found: list[dict[str, str]]) -> list[str]:
    return [one["item"] for one in found]


@dataclass
class Cluster:
    """A primary on port 54391; `port` says which of its servers is meant."""

    folder: Path
    bin: Path

    def run(self, *words: str) -> None:
        done = subprocess.run([*AS_ACCOUNT, *words], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def start(self, name: str, port: int) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c port={port}"
        self.control(name, "-l", str(self.folder / f"{name}.log"), "-o", options, "start")

    def control(self, name: str, *words: str) -> None:
        self.run(str(self.bin / "pg_ctl"), "-D", str(self.folder / name), "-s", "-w", *words)

    def psql(self, port: int, *statements: str) -> str:
        words = [part for statement in statements for part in ("-c", statement)]
        return subprocess.run(self.client(port, *words), capture_output=True, text=True, check=True).stdout.strip()

    def client(self, port: int, *words: str) -> list[str]:
        place = ["-h", str(self.folder), "-p", str(port), "-U", ACCOUNT, "-d", "postgres"]
        return [*AS_ACCOUNT, str(self.bin / "psql"), "-XqAt", *place, *words]

    def asked(self, port: int = 54391, **limits: int) -> tuple[list[dict[str, str]], bool]:
        one = {"name": "shop", "engine": "postgresql", "port": port, "os_user": ACCOUNT}
        found: tuple[list[dict[str, str]], bool] = database.against_restart([one], {**LIMITS, **limits})
        return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        pytest.skip("no PostgreSQL server is installed here (/usr/lib/postgresql/*/bin/initdb)")
    folder = Path(tempfile.mkdtemp(prefix="yunwei-test-restart-"))
    shutil.chown(folder, ACCOUNT)
    found = Cluster(folder, binaries[-1].parent)
    try:
        found.run(str(found.bin / "initdb"), "-D", str(folder / "primary"), "-A", "trust", "-U", ACCOUNT, "-N")
        found.start("primary", 54391)
        yield found
    finally:
        for name in ("standby", "primary"):
            if (folder / name).exists():
                found.control(name, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "cluster" in request.fixturenames:
        monkeypatch.setattr(postgresql, "SOCKET_FOLDERS", (str(request.getfixturevalue("cluster").folder),))


class TestPostgreSQL:
    def test_an_idle_server_has_nothing_against_it(self, cluster: Cluster):
        assert cluster.asked() == ([], False)

    def test_an_open_transaction_is_named_with_who_and_where(self, cluster: Cluster):
        command = cluster.client(54391, "-c", "BEGIN", "-f", "-")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdin
            assert client.stdout
            client.stdin.write(b"\\echo open\n")
            client.stdin.flush()
            assert client.stdout.readline() == b"open\n"
            (found,) = cluster.asked()[0]
            assert found["item"] == f"transaction:postgres:{ACCOUNT}"
            assert cluster.asked(transaction_seconds=3600) == ([], False)
            client.stdin.close()
            client.wait()

    def test_a_checkpoint_is_written(self, cluster: Cluster):
        asked = "SELECT redo_lsn FROM pg_control_checkpoint()"
        cluster.psql(54391, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
        before = cluster.psql(54391, asked)
        one = {"name": "shop", "engine": "postgresql", "port": 54391, "os_user": ACCOUNT}
        database.checkpoint([one, {**one, "name": "other"}])
        assert cluster.psql(54391, asked) != before

    def test_a_standby_says_that_it_is_one_and_its_lag_stands_against_the_primary(self, cluster: Cluster):
        place = ["-h", str(cluster.folder), "-p", "54391", "-U", ACCOUNT]
        backup = [str(cluster.bin / "pg_basebackup"), *place, "-R", "-c", "fast", "-D", str(cluster.folder / "standby")]
        cluster.run(*backup)
        cluster.start("standby", 54392)
        assert cluster.asked(54392) == ([], True)
        cluster.psql(54392, "SELECT pg_wal_replay_pause()")
        states = (cluster.psql(54392, "SELECT pg_get_wal_replay_pause_state()") for _ in range(500))
        assert "paused" in states, "nothing may be written before the pause has taken hold"
        cluster.psql(54391, "CREATE TABLE lag AS SELECT generate_series(1, 1000) AS n")
        assert items(cluster.asked()[0]) == ["standby:walreceiver"]
        assert cluster.asked(lag_bytes=1 << 40) == ([], False)

    def test_what_cannot_be_asked_could_not_be_judged(self, cluster: Cluster):
        (found,) = cluster.asked(54399)[0]
        assert found["item"] == "database:shop"
        assert "could not judge" in found["reason"]

    def test_an_engine_without_a_driver_could_not_be_judged(self):
        one: dict[str, Any] = {"name": "flow", "engine": "dameng", "port": 5236, "os_user": "dmdba"}
        (found,) = database.against_restart([one], LIMITS)[0]
        assert "no driver for dameng" in found["reason"]


class TestFileSystem:
    @pytest.fixture
    def image(self, tmp_path: Path) -> Path:
        if not shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            pytest.skip("no e2fsprogs here")
        image = tmp_path / "disk"
        with image.open("wb") as stream:
            stream.truncate(4 << 20)
        self.tool("mkfs.ext4", "-q", "-F", str(image))
        return image

    @staticmethod
    def tool(*words: str) -> None:
        subprocess.run(
            words, check=True, capture_output=True, env={**os.environ, "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
        )

    def check(self, image: Path) -> list[str]:
        return [one["reason"] for one in storage.ext_check(Host(), "/data", str(image))]

    def test_a_new_file_system_is_not_due(self, image: Path):
        assert self.check(image) == []

    def test_one_that_was_mounted_often_enough_is_due(self, image: Path):
        self.tool("tune2fs", "-c", "20", "-C", "19", str(image))
        assert self.check(image) == []
        self.tool("tune2fs", "-C", "20", str(image))
        assert self.check(image) == [f"/data ({image}): mounted 20 times, checked after 20"]

    def test_one_whose_check_is_long_ago_is_due(self, image: Path):
        self.tool("tune2fs", "-i", "1d", "-T", "20200101", str(image))
        assert "a check is due since" in self.check(image)[0]

    def test_no_file_system_could_not_be_judged(self, tmp_path: Path):
        (tmp_path / "empty").write_bytes(b"\0" * 4096)
        assert "could not judge" in self.check(tmp_path / "empty")[0]


def test_a_real_listener_is_found_with_its_process():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        found = processes.listeners(Host())
        for name in (f"tcp 127.0.0.1:{server.getsockname()[1]}", f"tcp [::1]:{six.getsockname()[1]}"):
            assert os.getpid() in found[name]


def test_the_start_of_process_1_stays_as_it_is():
    assert processes.identity(Host()) == processes.identity(Host())
    assert processes.age(Host()) > 0
