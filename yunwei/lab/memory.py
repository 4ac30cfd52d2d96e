"""Files of a slot that must never touch a disk: the folder in memory, and how they are written."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from pathlib import Path

from yunwei.errors import LabError
from yunwei.lab.topology import Slot

_MEMORY_FILESYSTEMS = {"tmpfs", "ramfs"}


def filesystem_of(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds `path`, from the text of /proc/mounts."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].encode("ascii", "replace").decode("unicode_escape")
        inside = point == "/" or path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def ensure_folder(slot: Slot) -> Path:
    """Make the slot's folder in memory with access for its owner only, and return it; LabError when it is not safe."""
    folder = slot.secrets_dir
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise LabError(f"{folder} is not a folder of this user. Remove it, then repeat `yunwei lab up`.")
    folder.chmod(0o700)
    kind = filesystem_of(folder.resolve(), Path("/proc/mounts").read_text(encoding="utf-8"))
    if kind not in _MEMORY_FILESYSTEMS:
        raise LabError(f"{folder} is on {kind or 'an unknown file system'}; secrets may only lie on tmpfs.")
    return folder


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Put a file in its place as a whole: a killed writer leaves the old one or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.replace(path)


def generation(slot: Slot) -> str:
    """Return the mark of this slot's secrets, made with the folder: hosts and Vault of another mark are stale.

    A restart of the machine empties memory, and with it the unseal key; what the old secrets protected is then lost.
    """
    mark = ensure_folder(slot) / "generation"
    if not mark.is_file():
        begin_generation(slot)
    return mark.read_text(encoding="utf-8").strip()


def begin_generation(slot: Slot) -> None:
    """Give the slot another mark: its hosts and its Vault are then made anew."""
    write(ensure_folder(slot) / "generation", secrets.token_hex(8))


def remove(slot: Slot) -> None:
    """Remove the slot's folder with every secret in it."""
    if slot.secrets_dir.exists():
        shutil.rmtree(slot.secrets_dir)
