"""The folder of one restore on its target: its marker, its parts, and what the modules tell each other.

Everything that a restore makes on a drill host is below this folder; it is removed only when its marker says whose it
is. Times are seconds since the epoch by the target's own clock, so that phases can be added up.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import json
import os
import re
import time

from .errors import NotJudgedError

MARKER = ".yunwei-restore"
STATE = "state.json"
PARTS = ("fetch", "pg", "files", "app", "tools")
_RESTORE_ID = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9-]{2,99}\Z")


class WorkDir:
    """`<parent>/<restore_id>` and the JSON state in it; `state` is a dict that save() writes as a whole."""

    def __init__(self, path):
        """Point at `path` (absolute); nothing is read or made yet."""
        name = os.path.basename(path)
        if not path.startswith("/") or os.path.normpath(path) != path or not _RESTORE_ID.match(name):
            raise NotJudgedError(path, "not a work folder of a restore", "name it <folder>/<restore id>")
        self.path = path
        self.restore_id = name
        self.state = {}

    def part(self, *names):
        """Return the path of a file or folder below the work folder."""
        return os.path.join(self.path, *names)

    def create(self, state):
        """Make the folder with its marker and parts and write `state`; raises NotJudgedError when it is there."""
        parent = os.path.dirname(self.path)
        if not os.path.isdir(parent):
            os.makedirs(parent, 0o711)
        try:
            os.mkdir(self.path, 0o711)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            raise NotJudgedError(self.path, "the work folder is already there", "start again with a new restore id")
        os.chmod(self.path, 0o711)  # noqa: S103 - the database and the application pass through
        _write(self.part(MARKER), self.restore_id + "\n")
        for part in PARTS:
            os.mkdir(self.part(part), 0o700)
        self.state = dict(state, restore_id=self.restore_id)
        self.save()
        return self

    def load(self):
        """Read the state; raises NotJudgedError when the folder is not this restore's."""
        if not self.is_ours():
            raise NotJudgedError(self.path, "no restore of this id was begun here", "run the preflight step first")
        try:
            with open(self.part(STATE)) as stream:
                self.state = json.load(stream)
        except (OSError, IOError) as error:
            if error.errno != errno.ENOENT:
                raise
            self.state = {}  # killed while the folder was made: nothing was begun
        return self

    def is_ours(self):
        """Return whether the folder carries the marker of this very restore id."""
        if os.path.islink(self.path) or os.path.islink(self.part(MARKER)):
            return False
        try:
            with open(self.part(MARKER)) as stream:
                return stream.read(200).strip() == self.restore_id
        except (OSError, IOError):
            return False

    def save(self):
        """Write the state so that a killed module leaves the old or the new one, never a half."""
        _write(self.part(STATE + ".new"), json.dumps(self.state, sort_keys=True))
        os.rename(self.part(STATE + ".new"), self.part(STATE))

    def fetched(self, item):
        """Return the state's dict of `item` once it was fetched; raises NotJudgedError before that."""
        found = self.state.get("items", {}).get(item) or {}
        if "paths" not in found:  # a file set of empty folders needs no payload at all
            raise NotJudgedError(item, "it was not fetched", "run the fetching step first")
        return found

    def item(self, item):
        """Return the state's dict of `item` (`database:<name>` or `files:<name>`), made when it is not there."""
        return self.state.setdefault("items", {}).setdefault(item, {})


class Phases:
    """Times the phases of one module: `with phases.run("load") as phase: phase.bytes = n`."""

    def __init__(self):
        """Begin with no phase."""
        self.done = []

    def run(self, name):
        """Return a context that measures the phase `name` and keeps it, also when it fails."""
        return _Phase(self.done, name)


class _Phase:
    def __init__(self, done, name):
        self._done = done
        self.name = name
        self.bytes = None

    def __enter__(self):
        self.started = time.time()
        self._clock = _monotonic()
        return self

    def __exit__(self, kind, value, trace):
        seconds = round(max(_monotonic() - self._clock, 0.0), 3)
        self._done.append(
            {"name": self.name, "started": round(self.started, 3), "seconds": seconds, "bytes": self.bytes}
        )
        return False


def free_bytes(path):
    """Return the bytes that an unprivileged writer still finds on the file system of `path` (nearest parent)."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _write(path, text):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _monotonic():
    return getattr(time, "monotonic", time.time)()
