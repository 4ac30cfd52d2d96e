"""Peak memory of a tree of processes, from the proportional sizes that the kernel tells; needs root."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ground import Ground
from yunwei.errors import LabError
from yunwei.lab import engine

_SECONDS_BETWEEN_LOOKS = 0.1


class Watch:
    """Looks at the descendants of a process until it is stopped; `peak` counts what came on top of the first look."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._start = memory_below(root)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peak = 0
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopped.wait(_SECONDS_BETWEEN_LOOKS):
            self.peak = max(self.peak, memory_below(self._root) - self._start)


@contextmanager
def watched(ground: Ground) -> Iterator[dict[str, Watch]]:
    """Watch this process's children as the controller, and everything in the backup server, while the block runs."""
    watches = {"controller": Watch(os.getpid()), "backup_server": Watch(_first_process(ground, "backup1"))}
    try:
        yield watches
    finally:
        for watch in watches.values():
            watch.stop()


def memory_below(root: int) -> int:
    """Return the bytes that the descendants of a process hold, what they share counted once."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_parent(int(name)), []).append(int(name))
    found, waiting = 0, list(children.get(root, []))
    while waiting:
        number = waiting.pop()
        found += _size(number)
        waiting += children.get(number, [])
    return found


def _parent(number: int) -> int:
    try:
        # The name in brackets may hold anything; what follows the last bracket is state and parent.
        return int(
            Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        )
    except OSError:
        return 0  # it ended meanwhile


def _size(number: int) -> int:
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0  # it ended meanwhile
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _first_process(ground: Ground, host: str) -> int:
    (found,) = engine.podman_json("inspect", ground.slot.host(host).container)
    number = int(found["State"]["Pid"])
    if not Path(f"/proc/{number}").is_dir():
        raise LabError(f"the processes of {host} cannot be seen from here; run this where podman runs, as root")
    return number
