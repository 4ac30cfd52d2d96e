"""A site below a folder of its own: the real gate and the real program, with every path moved below that folder."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from yunwei.paths import content_root

FILES = content_root() / "roles" / "miyun_site" / "files"
GATE = "/usr/libexec/yunwei/repository_gate.py"
_MOVED = ("/var/lib", "/usr/libexec/yunwei", "/etc/yunwei/site_", "/run/yunwei-locks", "/etc/ssh/ssh_host_")


class SiteTree:
    """`folder` stands for `/`; `gate` is the command that the lines of authorized_keys mean here."""

    def __init__(self, folder: Path, programs: tuple[str, ...]) -> None:
        self.folder = folder
        for name in ("var/lib", "usr/libexec/yunwei", "etc/yunwei/site_rules", "etc/ssh", "run/yunwei-locks", "srv"):
            (folder / name).mkdir(parents=True)
        for name in programs:
            shutil.copy(FILES / name, folder / "usr/libexec/yunwei" / name)
        running = folder / "running"
        running.mkdir()
        for name in ("repository_gate.py", "site_facts.py"):
            (running / name).write_text(self._moved(name, running), encoding="utf-8")
            (running / name).chmod(0o755)
        self.gate = f"{sys.executable} {running / 'repository_gate.py'}"

    def _moved(self, name: str, running: Path) -> str:
        text = (FILES / name).read_text(encoding="utf-8").replace("#!/usr/bin/python3", f"#!{sys.executable}")
        if name == "repository_gate.py":
            return text.replace("/usr/libexec/yunwei/site_facts.py", str(running / "site_facts.py"))
        for path in _MOVED:
            assert f' = "{path}' in text or f'"{path}' in text, path
            text = text.replace(f' = "{path}', f' = "{self.folder}{path}')
        return text

    def write(self, name: str, text: str) -> Path:
        """Write a file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def repository(self, system: str, below: str = "srv") -> Path:
        """Make what a repository looks like from outside: a config, one key, one snapshot, one pack."""
        folder = self.folder / below
        for name in ("config", "keys/" + "a" * 64, "snapshots/" + "b" * 64, "data/cc/" + "c" * 64):
            path = folder / system / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * 1000)
        (folder / system / "locks").mkdir()
        return folder / system

    def authorize(self, account: str, *lines: str) -> None:
        """Write an account's authorized_keys."""
        self.write(f"var/lib/{account}/.ssh/authorized_keys", "# managed\n" + "".join(f"{line}\n" for line in lines))

    def line(self, mode: str, system: str, key: str, folder: Path) -> str:
        """Return the line by which the role ties a key to the gate."""
        return f'restrict,command="{GATE} {mode} {system} {folder}" {key.strip()}'

    def show_rules(self, system: str, rules: dict[str, Any]) -> None:
        """Show retention rules as the role does."""
        self.write(f"etc/yunwei/site_rules/{system}.json", json.dumps(rules))
