"""A host that loses power in a test: every process of it dies at one moment, and what was in its memory is gone."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NEW_MOUNTS, _NEW_PIDS = 0x00020000, 0x20000000
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
        if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS | _NEW_PIDS):
            raise OSError(ctypes.get_errno(), "no namespace of its own: is this root?")
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
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
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


def on_small_disk(folder: Path, size_mib: int, act: Callable[[], object]) -> None:
    """Run `act` where `folder` is a disk of its own of so many MiB; AssertionError where `act` raised anything."""
    child = os.fork()
    if not child:
        code = 1
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS):
                raise OSError(ctypes.get_errno(), "no namespace of its own: is this root?")
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "none", str(folder)], check=True)
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "see what was printed above"


def resize(folder: Path, size_mib: int) -> None:
    """Give the disk of `on_small_disk` another size."""
    subprocess.run(["mount", "-o", f"remount,size={size_mib}m", str(folder)], check=True)
