"""A host of files: what the checks before a restart read, planted below a folder; programs answer what was recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from yunwei_restart.host import ABSENT, Host


class PlantedHost(Host):
    """`answers` maps a command's words, or the first of them, to (exit code, output)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.answers: dict[str, tuple[int, str]] = {}
        self.asked: list[list[str]] = []

    def plant(self, path: str, text: str = "x", age_seconds: float | None = None) -> None:
        """Write a file of the host."""
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if age_seconds is not None:
            then = file.stat().st_mtime - age_seconds
            os.utime(file, (then, then))

    def program(self, name: str, answer: str = "", code: int = 0) -> None:
        """Plant a program and what it answers."""
        self.plant(f"/usr/bin/{name}")
        (self.folder / "usr/bin" / name).chmod(0o755)
        self.answers[name] = (code, answer)

    def process(self, pid: int, name: str, *, unit: str = "", parent: int = 1, terminal: int = 0, **files: Any) -> None:
        """Plant a process; `sockets` are inodes that it holds, `maps` and `cmdline` texts."""
        fields = (
            f"{pid} ({name}) S {parent} {pid} {pid} {terminal} -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {files.get('start', 100)}"
        )
        self.plant(f"/proc/{pid}/stat", f"{fields} 0 0\n")
        self.plant(f"/proc/{pid}/cgroup", f"1:name=systemd:{unit}\n0::/\n")
        self.plant(f"/proc/{pid}/maps", files.get("maps", ""))
        self.plant(f"/proc/{pid}/cmdline", files.get("cmdline", name))
        folder = self.folder / f"proc/{pid}/fd"
        folder.mkdir()
        for number, inode in enumerate(files.get("sockets", ())):
            (folder / str(number)).symlink_to(f"socket:[{inode}]")

    def run(self, argv: list[str], seconds: int = 30) -> tuple[int, str, str]:
        self.asked.append(argv)
        for key in (" ".join(argv), " ".join(argv[:3]), argv[0]):
            if key in self.answers:
                code, out = self.answers[key]
                return code, out, out if code else ""
        return ABSENT, "", f"{argv[0]}: no such program"


def systemd_host(folder: Path) -> PlantedHost:
    """Return a host with systemd, process 1 and nothing else."""
    host = PlantedHost(folder)
    host.plant("/run/systemd/system/x")
    host.plant("/proc/uptime", "100000.00 5.00\n")
    host.plant("/proc/sys/kernel/random/boot_id", "4c9a\n")
    host.process(1, "systemd", unit="/init.scope", start=0)
    return host
