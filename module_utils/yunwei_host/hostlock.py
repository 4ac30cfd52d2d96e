"""The lock on the host: a killed controller does not stop a host, so the host itself says who is at work."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import json
import os

from .clock import stamp
from .faults import RefusedByPolicyError
from .fence import demand_newest
from .frames import clean_text

FOLDER = "/run/lock"


class HostLock:
    """Holds `/run/lock/yunwei-<system>.lock` for as long as the with block lasts.

    The kernel gives the lock back when the process ends, however it ends. Raises RefusedByPolicyError naming the
    holder when another process has it, or naming the run that has overtaken this one (see `fence`).
    """

    def __init__(self, system, permit, folder=None, numbered=True):
        """Remember whose lock it will be: `permit` is {run_id, job, locks, lock_series}.

        `numbered` is False for a job that takes no lock in Vault and so has no number.
        """
        self._path = os.path.join(folder or FOLDER, "yunwei-%s.lock" % system)
        self._system = system
        self._permit = permit
        self._numbered = numbered
        self._descriptor = None

    def __enter__(self):
        """Take the lock or say who has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError) as error:
            holder = _holder(descriptor)
            os.close(descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise RefusedByPolicyError("locked", _busy(self._system, holder))
        self._descriptor = descriptor
        try:
            if self._numbered:
                demand_newest(self._system, self._permit)
            self._write()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """Give the lock back; the file stays, because removing it would let two holders in."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _write(self):
        line = {
            "run_id": self._permit["run_id"],
            "job": self._permit["job"],
            "pid": os.getpid(),
            "since": stamp(),
        }
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, json.dumps(line, sort_keys=True).encode("ascii"))


def _holder(descriptor):
    try:
        found = json.loads(os.read(descriptor, 4096).decode("ascii"))
        return dict((key, clean_text(found.get(key))) for key in ("run_id", "job", "pid", "since"))
    except (ValueError, AttributeError):
        return None


def _busy(system, holder):
    if holder is None:
        return "REFUSED: another run holds the lock of system %s on this host; wait for its end" % system
    return (
        "REFUSED: run %(run_id)s (job %(job)s, process %(pid)s, since %(since)s) holds the lock of system " % holder
        + "%s on this host; wait for its end" % system
    )
