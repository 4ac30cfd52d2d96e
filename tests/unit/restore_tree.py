"""Makes a tree of odd files with its manifest lines and payload, as the source program would."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

from yunwei_host import names

PAYLOAD = "f" * 64
TOP = b"/srv/app"
KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p"}


def make_tree(root: Path) -> None:
    """Fill `root`/srv/app with everything that a file system can hold."""
    top = os.fsencode(root) + TOP
    os.makedirs(top + b"/\xe6\xa1\x88\xe4\xbb\xb6/deep")
    contents = {
        b"/plain": b"hello",
        b"/empty": b"",
        b"/bad-\xff\xfe name": b"not utf-8",
        b"/new\nline 'quote\" %": b"odd",
        b"/\xe6\xa1\x88\xe4\xbb\xb6/deep/\xe6\x96\x87": b"x" * 100_000,
        b"/" + b"n" * 255: b"long",
    }
    for name, content in contents.items():
        with open(top + name, "wb") as stream:
            stream.write(content)
    os.chmod(top + b"/plain", 0o4711)  # noqa: S103 - odd modes are the point
    os.link(top + b"/plain", top + b"/second name")
    os.symlink(b"../\xff/nowhere", top + b"/link")
    os.symlink(b"/etc/passwd", top + b"/outside")
    os.mkfifo(top + b"/pipe")
    os.chmod(top + b"/\xe6\xa1\x88\xe4\xbb\xb6", 0o2750)  # noqa: S103
    for folder, _folders, files in os.walk(top, topdown=False):
        for number, name in enumerate([*files, b"."]):
            moment = 1_700_000_000_123_456_789 + number * 1_000_001
            os.utime(folder + b"/" + name, ns=(moment, moment), follow_symlinks=False)


def manifest_lines(root: Path) -> list[dict[str, Any]]:
    """Return the manifest lines of what make_tree made, parents first."""
    base, lines, firsts = os.fsencode(root), [], {}
    for path in sorted(_walk(base + TOP)):
        found = os.lstat(path)
        line: dict[str, Any] = {
            "t": "file",
            "p": names.encode_name(path[len(base) :]),
            "k": {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p"}[
                stat.S_IFMT(found.st_mode)
            ],
            "mode": stat.S_IMODE(found.st_mode),
            "uid": found.st_uid,
            "gid": found.st_gid,
            "size": found.st_size,
            "mtime": f"{found.st_mtime_ns // 10**9}.{found.st_mtime_ns % 10**9:09d}",
        }
        if line["k"] == "l":
            line["target"] = names.encode_name(os.readlink(path))
        if line["k"] == "f" and found.st_ino in firsts:
            line.update(k="h", target=firsts[found.st_ino])
        elif line["k"] == "f":
            firsts[found.st_ino] = line["p"]
            line.update(sha256=hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest())
            line["in"] = PAYLOAD
        lines.append(line)
    return lines


def make_payload(root: Path, lines: list[dict[str, Any]], path: Path) -> None:
    """Write the tar stream of the regular files of `lines`."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for line in lines:
            if line["k"] == "f":
                raw = names.decode_name(line["p"])
                archive.add(os.fsdecode(os.fsencode(root) + raw), arcname=raw[1:].decode("latin-1"))


def _walk(top: bytes) -> list[bytes]:
    found = [top]
    for folder, folders, files in os.walk(top):
        found += [folder + b"/" + name for name in folders + files]
    return found
