"""The streams of restic: a file being stored, a file being read; each ends well or leaves nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import os
import re
import signal

from . import process
from .faults import ProgramFailedError

BLOCK = 1 << 18
_ID = re.compile(r"\A[0-9a-f]{64}\Z")


class Writer:
    """A running `restic backup --stdin`: fed by `write`, then ended well by `finish` or without a trace by `abort`."""

    def __init__(self, repository, child):
        """Take over the child; the repository is a folder of this host."""
        self._repository = repository
        self._snapshots = os.path.join(repository.location, "snapshots")
        self._child = child
        self._out = process.Tail(child.stdout)
        self._err = process.Tail(child.stderr)
        self.new_bytes = None

    def write(self, piece):
        """Hand `piece` to restic; raises OSError (EPIPE) when restic died."""
        process.write_all(self._child.stdin.fileno(), piece)

    def finish(self):
        """Close restic's stdin, wait for its end and return the full id of the snapshot.

        `new_bytes` is then what the repository did not hold yet (before compression).
        """
        self._child.stdin.close()
        self._repository.judge(self._child.wait(), self._err.bytes(), "backup")
        said = self._out.bytes().decode("utf-8", "replace").strip().splitlines()[-1]
        summary = self._repository.parse(said.encode("utf-8"))
        short, self.new_bytes = summary.get("snapshot_id") or "none", summary.get("data_added") or 0
        # The summary has the short form only; the folder tells the full one without another start of restic.
        found = [name for name in os.listdir(self._snapshots) if name.startswith(short)]
        if len(found) != 1:
            raise ProgramFailedError("restic saved snapshot %s, which is not in the repository" % short)
        return full_id(found[0])

    def abort(self):
        """End restic BEFORE its stdin closes: closed first, half a stream becomes a good-looking snapshot."""
        if self._child.poll() is None:
            process.stop(self._child, signal.SIGINT)
        if not self._child.stdin.closed:
            self._child.stdin.close()
        self._child.wait()

    def said(self):
        """Return the end of restic's error output."""
        return self._err.text()


class Dump:
    """One stored file being read; counts and digests what it hands out."""

    def __init__(self, repository, child, path):
        """Take over the child."""
        self._repository = repository
        self._child = child
        self._path = path
        self._err = process.Tail(child.stderr)
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.end = b""

    def read(self, size=BLOCK):
        """Return at most `size` bytes, none at the end; `end` holds the last 1024 bytes handed out."""
        piece = os.read(self._child.stdout.fileno(), min(size, BLOCK))
        self._digest.update(piece)
        self.bytes += len(piece)
        self.end = (self.end + piece)[-1024:]
        return piece

    def finish(self):
        """Read what is left and return (bytes, SHA-256); raises when restic could not give every byte."""
        while self.read():
            pass
        self._child.stdout.close()
        self._repository.judge(self._child.wait(), self._err.bytes(), "dump of %s" % self._path)
        return self.bytes, self._digest.hexdigest()

    def abort(self):
        """End the reading at once; does nothing after `finish`."""
        if self._child.poll() is None:
            process.stop(self._child, signal.SIGINT)
        if not self._child.stdout.closed:
            self._child.stdout.close()


def full_id(name):
    """Return `name` if it is a full snapshot id; `forget` with anything shorter could mean another snapshot."""
    if not _ID.match(name):
        raise ValueError("not a full snapshot id: %r" % (name,))
    return name
