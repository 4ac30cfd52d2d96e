"""Throw-away PostgreSQL clusters on lab host db1, and the checkout's source program run there against them."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.unit import source_runner

FIXTURES = Path(__file__).parent / "fixtures" / "source"
FOLDER = "/tmp/yunwei-test-source"
PORT = 54399
AS_POSTGRES = ("runuser", "-u", "postgres", "--")
BIN = "/usr/lib/postgresql/15/bin"


class Host:
    """One container of the lab, as root."""

    def __init__(self, container: str):
        self.container = container

    def command(self, *words: str, **environment: str) -> list[str]:
        """Return the words that run a command in the container with its standard input open."""
        variables = [part for key, value in environment.items() for part in ("-e", f"{key}={value}")]
        return ["podman", "exec", "-i", *variables, self.container, *words]

    def run(self, *words: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end; a failure shows what it said."""
        done = subprocess.run(self.command(*words), input=stdin, capture_output=True, check=False)
        assert not check or done.returncode == 0, (words, done.stdout[-500:], done.stderr[-2000:])
        return done

    def processes(self, pattern: str) -> list[str]:
        """Return the ids of the processes whose command line matches."""
        return self.run("pgrep", "-f", pattern, check=False).stdout.decode().split()


class Cluster:
    """A PostgreSQL server of its own below FOLDER, reached by its socket only."""

    def __init__(self, host: Host, name: str):
        self.host = host
        self.folder = f"{FOLDER}/{name}"

    def make(self) -> None:
        """Create and start the server."""
        self.host.run("install", "-d", "-o", "postgres", "-m", "0755", self.folder)
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        self.host.run(*AS_POSTGRES, f"{BIN}/initdb", "-D", f"{self.folder}/data", *options)
        settings = ["listen_addresses=''", f"unix_socket_directories='{self.folder}'", f"port={PORT}", "fsync=off"]
        text = "\n".join([*settings, "max_wal_size=4GB", ""]).encode()
        self.host.run("tee", "-a", f"{self.folder}/data/postgresql.conf", stdin=text)
        self.control("start")

    def control(self, *words: str, check: bool = True) -> None:
        """Run pg_ctl, such as `start`; nothing that it starts keeps our pipes."""
        command = shlex.join([f"{BIN}/pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", *words])
        self.host.run(*AS_POSTGRES, "sh", "-c", f"cd / && {command} >/dev/null 2>&1 </dev/null", check=check)

    def stop(self) -> None:
        """Stop the server at once."""
        self.control("-m", "immediate", "stop", check=False)

    def psql(self, sql: str, database: str = "postgres", check: bool = True) -> str:
        """Run SQL; return what it printed."""
        words = ("psql", "-XqAt", "-h", self.folder, "-p", str(PORT), "-U", "postgres", "-d", database)
        stop = ("-v", "ON_ERROR_STOP=1") if check else ()
        return self.host.run(*words, *stop, stdin=sql.encode(), check=check).stdout.decode()

    def restore(self, heard: source_runner.Heard) -> None:
        """Load the roles and the dump of one answer the way a person would."""
        sql = next(line["sql"] for line in heard.lines if line["t"] == "globals")
        self.psql(sql, check=False)  # the role postgres exists already
        words = (f"{BIN}/pg_restore", "-h", self.folder, "-p", str(PORT), "-U", "postgres")
        self.host.run(*words, "-d", "postgres", "--create", "--exit-on-error", stdin=heard.payload)


class Source:
    """The checkout's program on the host, with a configuration that names the test's cluster."""

    def __init__(self, cluster: Cluster, lock_timeout_seconds: int = 10):
        self.host = cluster.host
        database = {"engine": "postgresql", "port": PORT, "socket": cluster.folder, "os_user": "postgres",
                    "lock_timeout_seconds": lock_timeout_seconds}  # fmt: skip
        names = cluster.psql("SELECT datname FROM pg_database WHERE datallowconn AND datname !~ '^template'").split()
        config = {"systems": {"mediation": {"databases": dict.fromkeys(names, database), "file_sets": {}}}}
        self._config = f"{cluster.folder}/source-{lock_timeout_seconds}.json"
        self.host.run("tee", self._config, stdin=json.dumps(config).encode())

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start the program; its answer comes through the container's pipe."""
        boot = source_runner.BOOT.format(folder=FOLDER, config=self._config, system="mediation")
        words = self.host.command("python3", "-B", "-c", boot, SSH_ORIGINAL_COMMAND=command)
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def run(self, command: str) -> source_runner.Heard:
        """Run one command to its end."""
        return source_runner.hear(self.start(command))


def manifest(cluster: Cluster, database: str, *options: str) -> list[dict[str, Any]]:
    """Return the lines that the program prints of a restored database, the last one checked and left out."""
    words = ("python3", "-Es", f"{FOLDER}/yunwei_source.py", "manifest", database, "--socket", cluster.folder)
    done = cluster.host.run(*words, "--port", str(PORT), "--os-user", "postgres", *options)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines.pop() == {"t": "end", "lines": len(lines)}
    return lines


@contextmanager
def clusters(container: str, *names: str) -> Iterator[list[Cluster]]:
    """Make clusters for one test module and remove every trace of them afterwards."""
    host = Host(container)
    host.run("pkill", "-QUIT", "-f", f"^{BIN}/postgres -D {FOLDER}/", check=False)  # of a test that was killed
    host.run("rm", "-rf", FOLDER)
    host.run("install", "-d", "-m", "0755", FOLDER)
    host.run("tee", f"{FOLDER}/yunwei_source.py", stdin=source_runner.PROGRAM.read_bytes())
    made = [Cluster(host, name) for name in names]
    try:
        for cluster in made:
            cluster.make()
        yield made
    finally:
        for cluster in made:
            cluster.stop()
        host.run("rm", "-rf", FOLDER)
