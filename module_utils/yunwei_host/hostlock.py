"""The lock on the host: a killed controller does not stop a host, so the host itself says who is at work."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import json
import os
import stat

from .clock import stamp
from .faults import FaultError, RefusedByPolicyError
from .fence import demand_newest
from .frames import clean_text

# Not in /run/lock: there everybody may make files, and whoever can open a lock's file can hold it.
FOLDER = "/run/yunwei-locks"
KERNEL_LIST = "/proc/locks"


class HostLock:
    """Holds `/run/yunwei-locks/yunwei-<system>.lock` for as long as the with block lasts.

    The kernel gives the lock back when the process ends, however it ends. Raises RefusedByPolicyError naming the
    holder when another process has it, or naming the run that has overtaken this one (see `fence`); FaultError where
    somebody else than root could hold it.
    """

    def __init__(self, system, permit, folder=None, numbered=True):
        """Remember whose lock it will be: `permit` is {run_id, job, locks, lock_series}.

        `numbered` is False for a job that takes no lock in Vault and so has no number.
        """
        self._folder = folder or FOLDER
        self._path = os.path.join(self._folder, "yunwei-%s.lock" % system)
        self._system = system
        self._permit = permit
        self._numbered = numbered
        self._descriptor = None

    def __enter__(self):
        """Take the lock or say who has it."""
        _make_folder(self._folder)
        descriptor = open_lock(self._path, os.O_RDWR | os.O_CREAT)
        try:
            _demand_private(self._path, os.fstat(descriptor), stat.S_ISREG, 0o077)
        except FaultError:
            os.close(descriptor)
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError) as error:
            told = holder(descriptor)
            os.close(descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise RefusedByPolicyError("locked", _busy(self._system, told))
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


class HostLocks:
    """Holds the locks of several systems on this host, all of them or none.

    One that the permit does not name has no number: the run took no lock of it in Vault.
    """

    def __init__(self, systems, permit):
        """Remember whose locks they will be."""
        named = permit.get("systems") or []
        self._locks = [HostLock(system, permit, numbered=system in named) for system in sorted(systems)]
        self._held = []

    def __enter__(self):
        """Take them in one order for all, or say who has one."""
        try:
            for lock in self._locks:
                self._held.append(lock.__enter__())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """Give them back."""
        while self._held:
            self._held.pop().__exit__()


def open_lock(path, flags):
    """Return a descriptor of a lock's file that no child inherits; follows no link and waits for no other end."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return descriptor


def held_here(systems):
    """Return who holds the lock of each of `systems` on this host: [{"system", "run_id", "job", "pid", "since"}].

    The kernel is asked: taking a lock to try it could refuse a run that starts at that moment.
    """
    with open(KERNEL_LIST) as stream:
        lines = [line.split() for line in stream if " FLOCK " in line]
    owners = set((line[4], line[5].rpartition(":")[2]) for line in lines if "->" not in line)
    found = []
    for system in systems:
        inode, told = _look(os.path.join(FOLDER, "yunwei-%s.lock" % system))
        if told and (told["pid"], "%d" % inode) in owners:
            found.append(dict(told, system=system))
    return found


def _look(path):
    """Return (inode, what its holder wrote) of a lock's file, (None, None) where it is not there."""
    try:
        descriptor = open_lock(path, os.O_RDONLY)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None, None
        raise
    try:
        return os.fstat(descriptor).st_ino, holder(descriptor)
    finally:
        os.close(descriptor)


def holder(descriptor):
    """Return what the holder wrote into the lock's file, cleaned for display, or None where that is nothing."""
    try:
        found = json.loads(os.read(descriptor, 4096).decode("ascii"))
        return dict((key, clean_text(found.get(key))) for key in ("run_id", "job", "pid", "since"))
    except (ValueError, AttributeError):
        return None


def _make_folder(folder):
    """Make the folder of the locks, which everybody may search and root alone may read and write."""
    try:
        os.mkdir(folder, 0o711)
        os.chmod(folder, 0o711)  # noqa: S103  (whatever the umask is: the second site's facts see the files' times)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    _demand_private(folder, os.lstat(folder), stat.S_ISDIR, 0o022)


def _demand_private(path, found, is_kind, forbidden):
    """Raise FaultError unless it is of the right kind, this account's (root's), and has none of the mode's bits."""
    mode = stat.S_IMODE(found.st_mode)
    if is_kind(found.st_mode) and found.st_uid == os.geteuid() and not mode & forbidden:
        return
    raise FaultError(
        "%s belongs to account %d with mode %o, so others could hold or change the lock: see who made it, move it away "
        "while no job of yunwei is at work on this host, and start again" % (path, found.st_uid, mode)
    )


def _busy(system, told):
    if told is None:
        return "REFUSED: another run holds the lock of system %s on this host; wait for its end" % system
    return (
        "REFUSED: run %(run_id)s (job %(job)s, process %(pid)s, since %(since)s) holds the lock of system " % told
        + "%s on this host; wait for its end" % system
    )
