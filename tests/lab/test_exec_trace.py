"""No secret is an argument or in the environment of any program that any job starts, anywhere."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.commands import RESCUED, WORDS, ends_well, words_of
from tests.lab.conftest import Lab
from tests.leaks import forms, read_secrets
from yunwei import policy
from yunwei.jobs import all_jobs

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("open_calendar")]

SOURCE = Path(__file__).resolve().parents[1] / "fixtures" / "exec_trace.c"
FOLDER = Path("/run/yunwei-exec-trace")
LIBRARY, TRACE = FOLDER / "trace.so", FOLDER / "trace"
HOSTS = ("app1", "db1", "legacy1", "backup1", "scratch1", "miyun1")
TIMED = "/usr/local/bin/yunwei"
# It starts the same programs on every source, and the other sources are traced with other jobs.
NARROWED = {"prepare-hosts": ("--limit", "app1,backup1")}
# What must be among the programs seen, or the trace is blind there.
SEEN = {
    "controller": (b"ansible-playbook", b"ssh"),
    "app1": (b"sudo",),
    "db1": (b"pg_dump", b"sudo", b"psql"),
    "legacy1": (b"python2.7", b"sudo"),
    "backup1": (b"restic", b"ssh", b"rclone"),
    "scratch1": (b"restic", b"pg_restore", b"initdb"),
    "miyun1": (b"rclone",),
}


@pytest.fixture(scope="module")
def trace(lab: Lab) -> Iterator[dict[str, bytes]]:
    """Return what every program was started with while each job ran once, by place."""
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    build = ("gcc", "-shared", "-fPIC", "-O2", "-fno-stack-protector", f'-DTRACE_FILE="{TRACE}"', "-o", LIBRARY, SOURCE)
    subprocess.run(build, check=True)
    TRACE.write_bytes(b"")
    try:
        for host in HOSTS:
            lab.podman(host, "install", "-d", str(FOLDER))
            lab.podman(host, "sh", "-c", f": > {TRACE}; chmod 0666 {TRACE}")
            lab.engine("cp", str(LIBRARY), f"{host}:{LIBRARY}")
            lab.podman(host, "sh", "-c", f"echo {LIBRARY} > /etc/ld.so.preload")
        lab.podman("backup1", "install", "-m", "0755", "/bin/true", TIMED)  # what the timers start
        for job in WORDS:
            words = (*words_of(job, FOLDER / "heads"), *NARROWED.get(job, ()))
            done = lab.run(*words, env={"LD_PRELOAD": str(LIBRARY)})
            assert ends_well(job, done.returncode), (job, done.stdout[-2000:], done.stderr[-2000:])
        hosts = {host: lab.podman(host, "cat", str(TRACE)).stdout.encode("utf-8", "surrogateescape") for host in HOSTS}
        yield {"controller": TRACE.read_bytes(), **hosts}
    finally:
        for host in HOSTS:
            lab.podman(host, "rm", "-rf", "/etc/ld.so.preload", str(FOLDER), RESCUED)
        shutil.rmtree(FOLDER)


def test_every_job_is_traced():
    assert set(WORDS) == set(all_jobs())


@pytest.fixture(scope="module")
def wanted(lab: Lab) -> set[bytes]:
    """Return every form of every secret."""
    return {form for secret in read_secrets(policy.load(lab.inventory)) for form in forms(secret)}


@pytest.mark.parametrize("place", SEEN)
def test_no_program_is_started_with_a_secret(trace, wanted, place):
    blind = [program for program in SEEN[place] if program + b"\0" not in trace[place]]
    assert blind == [], "the trace did not see what surely ran"
    words = set(trace[place].split(b"\0"))  # each once: most come with every program
    assert [word for word in words if any(form in word for form in wanted)] == []
