"""A host that loses power in a test: every process of it dies at one moment, and what was in its memory is gone."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.mounts import enter_own_mounts, unshare

_NEW_PIDS = 0x20000000
_LIMIT_SECONDS = 120


def lose_power(act: Callable[[], object], place: Any, name: str) -> None:
    """Run `act` on a host of its own that loses power when `act` comes to the function `name` of `place`.

    The host is a namespace of processes: with its first process the kernel kills all others, none can clear up.
    """
    reading, writing = os.pipe()
    keeper = os.fork()
    if not keeper:
        os.close(reading)
        _keep_host(act, place, name, writing)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb", 0) as told:
            first = int(_line(told))
            assert _line(told) == b"there", f"it did not come to {name}"
            os.kill(first, signal.SIGKILL)
    finally:
        os.waitpid(keeper, 0)


def _line(told: Any) -> bytes:
    readable, _, _ = select.select([told], [], [], _LIMIT_SECONDS)
    assert readable, "the host does not say where it is"
    return bytes(told.readline().strip())


def _keep_host(act: Callable[[], object], place: Any, name: str, writing: int) -> None:
    """Start the host's first process, wait for its end, end."""
    try:
        enter_own_mounts()
        unshare(_NEW_PIDS)  # from now on: the first child is the first process of the host
        first = os.fork()
        if not first:
            _be_host(act, place, name, writing)
        os.write(writing, b"%d\n" % first)
        os.close(writing)
        os.waitpid(first, 0)
    finally:
        os._exit(0)


def _be_host(act: Callable[[], object], place: Any, name: str, writing: int) -> None:
    def wait_for_the_end(*_: object, **__: object) -> None:
        os.write(writing, b"there\n")
        while True:
            time.sleep(3600)

    try:
        subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
        setattr(place, name, wait_for_the_end)
        act()
    finally:
        os._exit(0)


def forget(*folders: str | Path) -> None:
    """Empty folders that lie in memory, as a host finds them after it started again."""
    for folder in folders:
        for path in Path(folder).iterdir():
            with contextlib.suppress(NotADirectoryError):
                shutil.rmtree(path)
                continue
            path.unlink()
