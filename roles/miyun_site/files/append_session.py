#!/usr/bin/python3
"""One connection of an appender: `append_session.py SYSTEM FOLDER`, started by the gate.

Stands between the caller and `rclone serve restic`: each request is judged before it is passed on (append_rules.py),
and the bytes are held against the quota as they come. A session holds the system's lock shared; the site's own pruning
holds it alone. Locks that a session's client leaves in the repository go when the last session of the system ends: they
too are removed only under that lock held alone. Standard library only.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time

import append_rules
import site_limits

SESSIONS = "/srv/miyun_sessions"
_BLOCK = 1 << 18
_LEAST_STEP, _MOST_STEP = 1 << 20, 1 << 30
_SERVER = ["/usr/bin/rclone", "serve", "restic", "--stdio", "--config", "", "--log-level", "ERROR", "--append-only"]
_END_SECONDS = 20


class BusyError(Exception):
    """It cannot be done now; later it can."""


def locked(path, how):
    """Return a descriptor that holds the lock at `path`; raises BlockingIOError where another holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class Session:
    """What this site remembers of one connection while it lasts: a file under a lock that dies with the process."""

    def __init__(self, system, folder):
        """Remember whose session it is; nothing is taken yet."""
        self._system, self._folder = system, folder
        self._path = os.path.join(SESSIONS, "%s.%d-%d.session" % (system, os.getpid(), time.time_ns()))
        self._lock = os.path.join(SESSIONS, self._system + ".lock")
        self._held = []
        self.claimed = 0
        self.locks = set()

    def __enter__(self):
        """Take the system's lock, shared; where nobody has it, clear first what sessions that died left."""
        with self.alone():
            self._clear()
            try:
                self._held.append(locked(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB))
            except BlockingIOError:
                raise BusyError("this site's administrator is pruning %s; try again later" % self._system) from None
            self._held.append(locked(self._path, fcntl.LOCK_EX))
            self.write()
        return self

    def __exit__(self, *_):
        """End the session; the last one of the system clears what all of them left."""
        with self.alone():
            for descriptor in self._held:
                os.close(descriptor)
            self._clear()

    def alone(self):
        """Return a context in which no other session of the system counts or is counted."""
        return _Alone(os.path.join(SESSIONS, self._system + ".budget"))

    def write(self):
        """Keep what others must know: bytes claimed and not yet seen on the disk, and the locks that were made."""
        with open(self._path, "r+") as stream:
            json.dump({"claimed": self.claimed, "locks": sorted(self.locks)}, stream)
            stream.truncate()
            stream.flush()
            os.fsync(stream.fileno())

    def claimed_by_others(self):
        """Return the bytes that other living sessions have claimed; call it alone."""
        return sum(_read(path)["claimed"] for path in self._sessions() if path != self._path and _is_alive(path))

    def _sessions(self):
        names = sorted(os.listdir(SESSIONS))
        ours = [name for name in names if name.startswith(self._system + ".") and name.endswith(".session")]
        return [os.path.join(SESSIONS, name) for name in ours]

    def _clear(self):
        """Remove the locks that sessions which ended left in the repository, and every trace of these sessions.

        Only while the system's lock is held alone: beside others nothing is cleared, and the last of them does it.
        """
        with contextlib.suppress(BlockingIOError):
            descriptor = locked(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                for path in self._sessions():
                    self._remove_locks(_read(path)["locks"])
                    os.unlink(path)
            finally:
                os.close(descriptor)

    def _remove_locks(self, names):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, "locks", name))


class _Alone:
    def __init__(self, path):
        self._path = path

    def __enter__(self):
        self._descriptor = locked(self._path, fcntl.LOCK_EX)

    def __exit__(self, *_):
        os.close(self._descriptor)


def _is_alive(path):
    """Tell whether the process of a session is there; call it alone."""
    try:
        os.close(locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


def _read(path):
    """Return what a session wrote; one that was killed before it wrote has claimed nothing."""
    try:
        with open(path) as stream:
            return json.load(stream)
    except (FileNotFoundError, ValueError):
        return {"claimed": 0, "locks": []}


class Budget:
    """The bytes that may still come: claimed in steps, so that sessions side by side do not spend the same ones."""

    def __init__(self, session, system, folder, limits):
        """Begin with nothing claimed."""
        self._session, self._system, self._folder, self._limits = session, system, folder, limits
        self._left = 0

    def take(self, count):
        """Count bytes that are about to be stored; raises RefusedError where they do not fit."""
        if count > self._left:
            self._claim(count)
        self._left -= count

    def _claim(self, count):
        with self._session.alone():
            used = site_limits.used_bytes(self._folder)
            others = self._session.claimed_by_others()
            room = self._limits["quota_bytes"] - used - others
            free = site_limits.free_bytes(self._folder) - self._limits["keep_free_bytes"] - others
            if count > room:
                raise append_rules.RefusedError(
                    "quota: %s holds %d bytes of the %d that are allowed; let this site's administrator retire backups "
                    "or raise the quota" % (self._system, used + others, self._limits["quota_bytes"])
                )
            if count > free:
                raise append_rules.RefusedError(
                    "the disk: less than %d bytes would stay free; let this site's administrator retire backups or "
                    "give it space" % self._limits["keep_free_bytes"]
                )
            fair = min(max(min(room, free) // 16, _LEAST_STEP), _MOST_STEP)
            self._left = max(count, min(fair, room, free))
            self._session.claimed = self._left
            self._session.write()


def relay(session, system, folder, limits):
    """Pass the caller's requests on until it ends or asks what is refused; return the exit code."""
    rules = append_rules.Rules(folder)
    budget = Budget(session, system, folder, limits)

    def judge(method, path):
        rules.judge(method, path)
        if method == "POST":
            budget.take(site_limits.BLOCK)  # an empty file takes space too
        if rules.locks - session.locks:
            session.locks = set(rules.locks)
            session.write()

    judged = append_rules.Filter(judge, budget.take)
    server = subprocess.Popen([*_SERVER, folder], stdin=subprocess.PIPE)
    try:
        data = os.read(0, _BLOCK)
        while data:
            server.stdin.write(judged.feed(data))
            server.stdin.flush()
            data = os.read(0, _BLOCK)
        server.stdin.close()
        return server.wait()
    except BrokenPipeError:
        return server.wait()
    except append_rules.RefusedError as error:
        return tell("refused", error)  # before the server ends: with it the caller's connection does
    finally:
        _end(server)
        _remove_halves(folder, judged.unfinished())


def _remove_halves(folder, paths):
    """Remove what was half written when the connection ended: nothing was there before under these names."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            os.unlink(folder + append_rules.place_of(path))


def tell(how, error):
    """Tell the caller why it is refused, or that this site is busy; return the exit code."""
    sys.stderr.write("repository_gate: %s: %s\n" % (how, error))
    sys.stderr.flush()
    return 1


def _end(server):
    """Let the server give up what it was writing; one that does not end is ended."""
    with contextlib.suppress(BrokenPipeError):
        server.stdin.close()
    try:
        server.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main(system, folder):
    """Serve one connection."""
    try:
        limits = site_limits.read_limits(system)
        with Session(system, folder) as session:
            return relay(session, system, folder, limits)
    except BusyError as error:
        return tell("busy", error)
    except site_limits.NoLimitsError as error:
        return tell("refused", error)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("append_session: usage: append_session.py SYSTEM FOLDER")
    sys.exit(main(*sys.argv[1:]))
