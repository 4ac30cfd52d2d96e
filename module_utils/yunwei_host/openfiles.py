"""Which files some process has open: what is open is still written, or read, and stays."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os

from .frames import clean_text

PROCESSES = "/proc"


def open_files(wanted):
    """Return {(device, inode): "process N (name)"} of those of `wanted` (a set of such pairs) that are open."""
    found = {}
    if not wanted:
        return found
    for number in os.listdir(PROCESSES):
        if number.isdigit():
            for key in _opened_by(number, wanted):
                found.setdefault(key, "process %s (%s)" % (number, _name_of(number)))
    return found


def _opened_by(number, wanted):
    folder = "%s/%s/fd" % (PROCESSES, number)
    try:
        names = os.listdir(folder)
    except OSError:
        return []  # it has ended
    keys = []
    for name in names:
        try:
            status = os.stat("%s/%s" % (folder, name))
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in wanted:
            keys.append((status.st_dev, status.st_ino))
    return keys


def _name_of(number):
    try:
        with open("%s/%s/comm" % (PROCESSES, number), "rb") as stream:
            return clean_text(stream.read(64))
    except EnvironmentError:
        return "?"
