"""A world that is made once for a test module: every test finds it at the stage that it wants, in the same place.

In the same place, because manifests and programs name its paths.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from tests.pull_world import World

Kind = TypeVar("Kind", bound=World)


class Stages(Generic[Kind]):
    """Copies of `world` and of everything in its folder, each under the name of a stage."""

    def __init__(self, world: Kind) -> None:
        self.world = world
        self._kept: dict[str, Kind] = {}

    def keep(self, stage: str) -> None:
        """Keep what the world is now."""
        _copy_folder(self.world.base, self._folder(stage))
        self._kept[stage] = copy.deepcopy(self.world)

    def back_to(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> Kind:
        """Undo everything that was done since, in files and in the world itself, and return the world."""
        _end_processes_that_name(str(self.world.base))
        shutil.rmtree(self.world.base)
        _copy_folder(self._folder(stage), self.world.base)
        shutil.rmtree(self.world.tmpfs)
        Path(self.world.tmpfs).mkdir(mode=0o700)
        world = copy.deepcopy(self._kept[stage])
        world.enter(monkeypatch)
        return world

    def _folder(self, stage: str) -> Path:
        return self.world.base.with_name(f"{self.world.base.name} {stage}")


def _copy_folder(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


def _end_processes_that_name(folder: str) -> None:
    """A program that outlived its test must not write into the world of the next one."""
    deadline = time.monotonic() + 30
    while left := processes_that_name(folder):
        assert time.monotonic() < deadline, f"processes {left} do not end"
        for number in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.01)


def processes_that_name(folder: str) -> list[int]:
    """Return the numbers of the other processes whose command line names `folder`."""
    numbers = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return [number for number in numbers if folder.encode() in _command_line(number)]


def _command_line(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""  # it ended meanwhile
