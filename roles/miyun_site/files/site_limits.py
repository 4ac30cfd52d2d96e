#!/usr/bin/python3
"""How much a system may keep at this site, and how much it keeps. Standard library only."""

import json
import os

LIMITS = "/etc/yunwei/site_limits"
BLOCK = 4096


class NoLimitsError(Exception):
    """The administrator has set no limits for the system."""


def read_limits(system):
    """Return {"quota_bytes", "keep_free_bytes"} of a system; raises NoLimitsError."""
    path = os.path.join(LIMITS, system + ".json")
    try:
        with open(path) as stream:
            return json.load(stream)
    except FileNotFoundError:
        raise NoLimitsError(
            "no quota is set for %s; let this site's administrator run prepare_miyun.yml" % system
        ) from None


def used_bytes(folder):
    """Return the bytes that all files below a folder take, each in whole blocks: an empty one takes a block too."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            total += BLOCK + _size(os.path.join(place, name)) // BLOCK * BLOCK
    return total


def _size(path):
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0


def free_bytes(folder):
    """Return the bytes that the disk of a folder has left for others than root."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
