"""Small JSON files that are there whole or not at all, whenever the process or the host dies."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os

from .faults import FaultError
from .process import write_all


def read_json(folder, name):
    """Return the dict in the file; raises FaultError where it is not the JSON that was written."""
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as stream:
            found = json.loads(stream.read().decode("ascii"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise FaultError("%s is not the JSON that was written; restore it or move it away" % path)
    return found


def write_json(folder, name, value):
    """Put `value` (a dict) in the place of the file; the folder is made, for root alone, where it is not there."""
    _make_folder(folder)
    path = os.path.join(folder, name)
    new = os.path.join(folder, "." + name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, json.dumps(value, sort_keys=True, indent=1).encode("ascii") + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(new, path)
    _sync_folder(folder)


def _make_folder(folder):
    # Not makedirs: it gives the folders in between the process's own mode.
    if not os.path.isdir(folder):
        if not os.path.isdir(os.path.dirname(folder)):
            _make_folder(os.path.dirname(folder))
        os.mkdir(folder, 0o700)


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
