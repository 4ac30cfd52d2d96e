"""The second site's lock over one system's repository: shared by the connections that append, alone for pruning.

While it is held alone the gate lets nobody append, so no lock of restic can be removed from afar under a running prune.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import os
import time

from .faults import FaultError, RefusedByPolicyError

FOLDER = "/srv/miyun_sessions"
GRACE_SECONDS = 15


class PruningLock(object):  # noqa: UP004  (Python 2)
    """Holds the lock alone for as long as the with block lasts; the kernel gives it back however the process ends."""

    def __init__(self, system):
        """Remember whose lock it will be."""
        self._system = system
        self._path = os.path.join(FOLDER, "%s.lock" % system)
        self._descriptor = None

    def __enter__(self):
        """Take it, waiting a little for a connection that is just ending; raises RefusedByPolicyError."""
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except EnvironmentError as error:
            raise FaultError("%s: %s; run prepare_miyun.yml at this site first" % (self._path, error.strerror))
        deadline = time.time() + GRACE_SECONDS
        while not self._try():
            if time.time() > deadline:
                self.__exit__()
                raise RefusedByPolicyError(
                    "locked",
                    "REFUSED: backups of system %s are being appended at this site (`fuser -v %s`); wait for the end"
                    % (self._system, self._path),
                )
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        """Give it back; the file stays, because removing it would let two holders in."""
        os.close(self._descriptor)

    def _try(self):
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except EnvironmentError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            return False
        return True
