"""What a repository takes and what its disk still has."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os

from .faults import FaultError


def used_bytes(folder):
    """Return the bytes that the files below `folder` take on disk; 0 when it is not there."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue  # restic removed it meanwhile
    return total


def disk_bytes(folder):
    """Return (used, free) bytes of the disk that `folder` is on."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_bavail * found.f_frsize


def demand_space(folder, reserve_bytes):
    """Raise FaultError when less than `reserve_bytes` are free where `folder` is."""
    free = disk_bytes(folder)[1]
    if free < reserve_bytes:
        raise FaultError(
            "the disk of %s is full up to its reserve: %d bytes are free, %d must stay; "
            "give it space or let retention run" % (folder, free, reserve_bytes)
        )
