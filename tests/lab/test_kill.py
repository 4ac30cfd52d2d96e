"""The controller is killed in the middle of each job; the same command again ends well."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import BIN, Lab
from yunwei import ledger

pytestmark = pytest.mark.lab

LIMIT_SECONDS = 240
BACK_UP = ("run", "back-up", "--now", "--system", "mediation")
SYNC = ("run", "sync-to-miyun", "--system", "mediation")
DRILL = ("drill", "--system", "mediation", "--site", "local")


def _descendants(root: int) -> Iterator[int]:
    """Yield a process and all below it; ansible-runner starts sessions of its own, so no group holds them all."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(children.get(current, []))


def _kill_when(lab: Lab, words: tuple[str, ...], reached: Callable[[], bool]) -> None:
    """Start a command and kill all of it on the controller as soon as `reached` says so."""
    environment = {**os.environ, "YUNWEI_INVENTORY": str(lab.inventory)}
    command = subprocess.Popen(
        [str(BIN / "yunwei"), *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(lambda: reached() or command.poll() is not None)
        assert command.poll() is None, "the command ended before it could be killed"
    finally:
        for pid in list(_descendants(command.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        command.wait()


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < until, f"did not happen within {LIMIT_SECONDS} s"
        time.sleep(0.1)


def _again(lab: Lab, words: tuple[str, ...]) -> None:
    """Run the same command until the host no longer works for the dead run; then it must end well."""
    until = time.monotonic() + LIMIT_SECONDS
    while True:
        done = lab.run(*words)
        if done.returncode != 3 or time.monotonic() > until:
            break
        assert "mediation" in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    last_dead = [row for row in ledger.Ledger.open().list() if row["status"] == "interrupted"][-1]
    assert last_dead["exit_code"] == 1


def _runs(lab: Lab, host: str, pattern: str) -> Callable[[], bool]:
    return lambda: lab.podman(host, "pgrep", "-f", pattern, check=False).returncode == 0


def test_killed_during_a_backup(lab):
    _kill_when(lab, BACK_UP, _runs(lab, "backup1", "restic .*backup"))
    _again(lab, BACK_UP)
    listed = lab.json("backups", "verify", "--system", "mediation", "--part", "1/50")
    assert listed["status"] == "done"


def test_killed_during_a_sync(lab):
    _kill_when(lab, SYNC, _runs(lab, "backup1", "restic .*copy"))
    _again(lab, SYNC)
    items = lab.json("backups", "list", "--system", "mediation")["items"]
    assert items
    assert all(item["miyun"] for item in items)


def test_killed_during_a_drill(lab):
    _kill_when(lab, DRILL, _runs(lab, "scratch1", "pg_restore"))
    _again(lab, DRILL)
    assert lab.podman("scratch1", "ls", "/srv/restore").stdout == ""
