"""Which code and which inventory a run was made of."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yunwei import __version__
from yunwei.paths import content_root

_GIT_SECONDS = 30


def describe_controller() -> dict[str, Any]:
    """Return the version of this code: git commit and whether it was changed since, None outside a checkout."""
    root = content_root()
    in_checkout = (root / ".git").exists()  # a wheel inside somebody else's checkout is not that checkout
    commit = _git(root, "rev-parse", "HEAD") if in_checkout else None
    changes = _git(root, "status", "--porcelain") if in_checkout else None
    return {
        "git_commit": commit,
        "dirty": None if changes is None else bool(changes),
        "yunwei_version": __version__,
        "python": platform.python_version(),
    }


def digest_inventory(folders: Iterable[Path]) -> str:
    """Return the SHA-256 over name and content of every file of the inventories, policy included."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(_files(folder)):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(os.fsencode(path.relative_to(folder.parent)) + b"\0" + content.encode("ascii") + b"\n")
    return total.hexdigest()


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    return [path for path in folder.rglob("*") if path.is_file()]


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=_GIT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
