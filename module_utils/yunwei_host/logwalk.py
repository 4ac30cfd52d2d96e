"""Walks a place of log files by descriptors: never through a link, never onto another file system."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import stat

from .names import encode_name

# Data whose folders look like those of logs: queues of TongLINK/Q, PostgreSQL's write-ahead log and commit state.
PROTECTED = ("sndfiles", "rcvfiles", "pg_wal", "pg_xlog", "pg_xact", "pg_clog")
_VANISHED = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR, errno.ELOOP)


def is_protected(name):
    """Return whether the folder `name` (bytes) holds such data, however it is spelt."""
    return name.lower().decode("latin-1") in PROTECTED


def walk(place, below, visit, note):
    """Call `visit(folder, name, status)` for every entry that is no folder; descend where `below` is true.

    Args:
        place: the open `Folder` (see trail.py); it is closed here.
        below: whether folders in it belong to it too.
        visit: acts while `folder` is the working directory; `status` is the entry's lstat.
        note: is told `note(path as ASCII, reason)` of what is left out.
    """
    levels = [(place, None)]
    try:
        while levels:
            folder, inside = levels[-1]
            if inside is None:
                inside = iter(_look(folder, below, visit, note))
                levels[-1] = (folder, inside)
            name, status = next(inside, (None, None))
            if name is None:
                levels.pop()[0].close()
                continue
            folder.enter()
            found = _descend(folder, name, status, place, note)
            if found:
                levels.append((found, None))
    finally:
        for folder, _ in levels:
            folder.close()
        os.chdir("/")


def _descend(folder, name, status, place, note):
    path = encode_name(folder.path.rstrip(b"/") + b"/" + name)
    if status.st_dev != place.status.st_dev:
        return note(path, "on another file system")
    if is_protected(name):
        return note(path, "holds data, not logs: never entered")
    try:
        found = folder.below(name, status)
    except EnvironmentError as error:
        return note(path, "cannot be entered: %s" % error.strerror)
    return found or note(path, "was replaced while it was listed")


def _look(folder, below, visit, note):
    """Visit the entries of `folder` and return its folders as [(name, lstat)]."""
    folder.enter()
    folders = []
    for name in _names():
        try:
            status = os.lstat(name)
        except OSError as error:
            if error.errno not in _VANISHED:
                note(encode_name(folder.path + b"/" + name), "cannot be looked at: %s" % error.strerror)
            continue
        if not stat.S_ISDIR(status.st_mode):
            visit(folder, name, status)
        elif below:
            folders.append((name, status))
    return sorted(folders)


def _names():
    """Yield the names in the working directory; a million of them are never in memory at once where Python can."""
    scan = getattr(os, "scandir", None)
    if scan is None:
        for name in os.listdir(b"."):
            yield name
        return
    for entry in scan(b"."):
        yield entry.name
