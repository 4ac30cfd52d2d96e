"""The files that make timers: root's, plain, and there whole or not at all."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import stat

MODE = 0o644


def differences(folder, name, text):
    """Return in words how a file differs from a plain one of root with this text."""
    path = os.path.join(folder, name)
    try:
        found = os.lstat(path)
    except OSError:
        return ["%s is missing" % path]
    if not stat.S_ISREG(found.st_mode):
        return ["%s is no plain file" % path]
    wrong = []
    if _read(path) != text.encode("utf-8"):
        wrong.append("%s was changed" % path)
    if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (0, 0, MODE):
        wrong.append("%s has another owner or mode" % path)
    return wrong


def put(folder, name, text):
    """Put a file in its place; a link or another file there is replaced."""
    path, new = os.path.join(folder, name), os.path.join(folder, "." + name + ".new")
    if os.path.lexists(new):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text.encode("utf-8"))
        os.fchmod(descriptor, MODE)
        stream.flush()
        os.fsync(descriptor)
    os.rename(new, path)


def first_line(folder, name):
    """Return the first line of a plain file; nothing of any other."""
    path = os.path.join(folder, name)
    if os.path.islink(path) or not os.path.isfile(path):
        return ""
    return _read(path).split(b"\n", 1)[0].decode("utf-8", "replace")


def _read(path):
    with open(path, "rb") as stream:
        return stream.read()
