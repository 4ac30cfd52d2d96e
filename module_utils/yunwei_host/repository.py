"""Repositories: how each is opened; that of this site made on first use, readable for the read account."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import grp
import os

from .faults import FaultError
from .restic import Repository, speaks_of_damage
from .resticlock import clear_dead_locks, demand_unlocked

__all__ = [
    "READS_REPOSITORIES",
    "behind",
    "clear_dead_locks",
    "demand_unlocked",
    "make_repository",
    "open_local",
    "open_repository",
    "own_like_config",
    "share_repository",
    "speaks_of_damage",
]

READ_GROUP = "yunwei-read"
READS_REPOSITORIES = "restic"  # the program that a host needs to read one itself


def open_repository(location, password, where=None, flags=("--no-cache",)):
    """Return the `Repository` in a folder of this host; `where` names it in messages."""
    return Repository(location, password, where, flags)


def behind(command, password, where, flags):
    """Return the `Repository` that speaks over the standard input and output of `command` (words without spaces)."""
    return Repository("rclone:x", password, where, ["-o", "rclone.program=" + " ".join(command)] + list(flags))


def open_local(work, secrets):
    """Return the `Repository` at `work["repository"]`; raises FaultError when its password was not fetched."""
    try:
        password = secrets["repository-local"]["password"]
    except KeyError:
        raise FaultError("the secret repository-local was not fetched from Vault for system %s" % work["system"])
    return Repository(work["repository"], password)


def make_repository(repository, like=None):
    """Create a local repository, with the chunker parameters of the repository `like` when given."""
    parent = os.path.dirname(repository.location)
    if not os.path.isdir(parent):
        os.makedirs(parent, 0o750)
    repository.init(like)


def share_repository(repository, group=READ_GROUP):
    """Let members of `group` read the repository, where the host has that group; does nothing the second time.

    restic gives later files the rights of `config`, so this is needed once.
    """
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        return
    config = os.path.join(repository.location, "config")
    found = os.stat(config)
    if found.st_gid == number and found.st_mode & 0o040:
        return
    os.chown(os.path.dirname(repository.location), -1, number)
    for place, _, names in os.walk(repository.location):
        for name in names:
            if name != "config":
                _share(os.path.join(place, name), number, 0o440)
        _share(place, number, 0o2750)
    _share(config, number, 0o440)  # last: it says that all the others are done


def _share(path, group, mode):
    os.chown(path, -1, group)
    os.chmod(path, mode)


def own_like_config(folder):
    """Give every file and folder below `folder` the owner and group that `config` has: root may have made some."""
    like = os.stat(os.path.join(folder, "config"))
    for place, _, names in os.walk(folder):
        for path in [place] + [os.path.join(place, name) for name in names]:
            found = os.lstat(path)
            if (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
                os.lchown(path, like.st_uid, like.st_gid)
