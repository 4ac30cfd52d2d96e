"""Which process a run is, and whether it still lives: a pid alone may have been given to another."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def describe_self() -> dict[str, Any]:
    """Return what recognises this process later: host, boot, pid and the moment the kernel started it."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "boot_id": _boot_id(), "pid": pid, "start": _start(pid)}


def is_alive(process: dict[str, Any]) -> bool | None:
    """Return whether the described process lives, or None where it is another host's and cannot be judged."""
    if process.get("host") != socket.gethostname():
        return None
    if process.get("boot_id") != _boot_id():
        return False
    start = _start(int(process["pid"]))
    return start is not None and start == process.get("start")


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start(pid: int) -> int | None:
    """Return the kernel's start time of a process in clock ticks; None where there is none or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])
