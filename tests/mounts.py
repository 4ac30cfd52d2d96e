"""File systems of a test's own, really mounted, that nobody else on this machine sees."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWN_PLACE, _NEW_MOUNTS = 0x00000200, 0x00020000


def unshare(flags: int) -> None:
    """Call unshare(2) for this thread; raises OSError."""
    _demand(ctypes.CDLL(None, use_errno=True).unshare(flags))


def enter_own_mounts() -> None:
    """Give this thread, and what it starts from now on, mounts of its own, at first those that were there."""
    unshare(_NEW_MOUNTS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextmanager
def own_mounts() -> Iterator[None]:
    """Let what the block mounts be seen by this thread and what it starts; after the block all of it is gone."""
    folder = os.getcwd()
    with open("/proc/thread-self/ns/mnt") as before:
        enter_own_mounts()
        try:
            yield
        finally:
            unshare(_OWN_PLACE)  # else threads that were started meanwhile share it
            _demand(ctypes.CDLL(None, use_errno=True).setns(before.fileno(), _NEW_MOUNTS))
            os.chdir(folder)


def _demand(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), "no namespace of its own: is this root?")


def mount_disk(folder: Path, size_mib: int) -> None:
    """Let `folder` be an empty file system of its own of so many MiB; see `own_mounts`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "none", str(folder)], check=True)


def mount_over(folder: Path, size_mib: int) -> None:
    """Do the same with a copy of all that lies in `folder`, which stays beneath."""
    beneath = os.open(folder, os.O_RDONLY)
    try:
        mount_disk(folder, size_mib)
        subprocess.run(["cp", "-a", f"/proc/{os.getpid()}/fd/{beneath}/.", str(folder)], check=True)
    finally:
        os.close(beneath)


def resize_disk(folder: Path, size_mib: int) -> None:
    """Give a file system of `mount_disk` another size."""
    subprocess.run(["mount", "-o", f"remount,size={size_mib}m", str(folder)], check=True)


def unmount(folder: Path) -> None:
    """Take a file system away: what lies in the folder beneath comes to light."""
    subprocess.run(["umount", str(folder)], check=True)
