"""Ends of a controller or a host in the middle of a job, as a power cut or a careless person makes them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.conftest import BIN, Lab

LIMIT_SECONDS = 240
_TOLD = re.compile(r"  \S+: (.+) … \w+$")


def kill_when(lab: Lab, words: tuple[str, ...], reached: Callable[[], bool]) -> None:
    """Start a command and kill all of it on the controller as soon as `reached` says so."""
    command = _start(lab, words)
    try:
        _wait(lambda: reached() or command.poll() is not None)
        assert command.poll() is None, "the command ended before it could be killed"
    finally:
        kill(command)


def when_told(lab: Lab, words: tuple[str, ...], task: str, then: Callable[[subprocess.Popen[str]], None]) -> int:
    """Start a command, call `then` at the first result of a task that it tells, and return the command's exit code."""
    command = _start(lab, words, subprocess.PIPE)
    assert command.stderr
    try:
        for line in command.stderr:
            found = _TOLD.match(line)
            if found and found.group(1) == task:
                then(command)
                break
        command.stderr.read()
        return command.wait(LIMIT_SECONDS)
    finally:
        kill(command)


def kill(command: subprocess.Popen[str]) -> None:
    """Kill a command and all below it on the controller."""
    for pid in list(_descendants(command.pid)) if command.poll() is None else []:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    command.wait()


def tasks_of(lab: Lab, words: tuple[str, ...]) -> list[str]:
    """Run a command to its end and return the names of the tasks whose results it told, in order, each once."""
    told = lab.run(*words).stderr.splitlines()
    return list(dict.fromkeys(found.group(1) for found in map(_TOLD.match, told) if found))


def once_free(lab: Lab, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run a command until no host works for a dead run any more; return how it ended."""
    until = time.monotonic() + LIMIT_SECONDS
    while True:
        done = lab.run(*words)
        if done.returncode != 3 or time.monotonic() > until:
            return done


def _start(lab: Lab, words: tuple[str, ...], stderr: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    environment = {**os.environ, "YUNWEI_INVENTORY": str(lab.inventory)}
    command = [str(BIN / "yunwei"), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, text=True)


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < until, f"did not happen within {LIMIT_SECONDS} s"
        time.sleep(0.1)


def runs(lab: Lab, host: str, pattern: str) -> Callable[[], bool]:
    return lambda: lab.podman(host, "pgrep", "-f", pattern, check=False).returncode == 0


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
