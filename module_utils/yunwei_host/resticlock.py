"""Locks that dead restic processes left: judged by their owner, never by age, and removed only when it is dead here."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import socket
import time

from .faults import RefusedByPolicyError
from .frames import clean_text

GRACE_SECONDS = 15


def judge_locks(locks, host, is_alive):
    """Split `locks` (as `Repository.locks` returns them) into (dead ones of this host, all others).

    Args:
        locks: [{"id", "hostname", "pid", ...}].
        host: this host's name.
        is_alive: function from a process id to whether it is a restic at work.
    """
    dead = [lock for lock in locks if lock.get("hostname") == host and not is_alive(lock.get("pid"))]
    return dead, [lock for lock in locks if lock not in dead]


def clear_dead_locks(repository, grace_seconds=None):
    """Remove the locks of dead processes of this host; return their ids.

    A lock whose owner lives, here or elsewhere, is waited for a little (the killed run's restic may be ending) and
    then refused by name: whoever removed it blindly could damage the repository.
    """
    deadline = time.time() + (GRACE_SECONDS if grace_seconds is None else grace_seconds)
    while True:
        dead, others = judge_locks(repository.locks(), socket.gethostname(), restic_is_alive)
        if not others:
            break
        if time.time() > deadline:
            raise RefusedByPolicyError("repository locked", _held(repository.where, others[0]))
        time.sleep(1)
    if dead:
        repository.unlock()
    return [lock["id"] for lock in dead]


def demand_unlocked(repository):
    """Raise RefusedByPolicyError naming the owner of a lock of its own in a repository whose locks are not ours."""
    locks = [lock for lock in repository.locks() if lock.get("exclusive")]
    if locks:
        raise RefusedByPolicyError("repository locked", _held(repository.where, locks[0]))


def restic_is_alive(number):
    """Return whether process `number` of this host is a restic; a number used again by another program is not."""
    try:
        with open(os.path.join("/proc", "%d" % int(number), "comm")) as stream:
            return stream.read().strip() == "restic"
    except (IOError, OSError, TypeError, ValueError):
        return False


def _held(where, lock):
    names = tuple(clean_text(lock.get(key)) for key in ("pid", "hostname", "username", "time"))
    return (
        "REFUSED: repository %s is locked by process %s on %s (user %s, since %s), which this host cannot call dead; "
        "wait for its end, or look there and remove the lock with `restic unlock`" % ((where,) + names)
    )
