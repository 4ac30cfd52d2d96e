"""What a host remembers of its restarts: one that is not yet proven, and the last that was."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os

from .hosttools import jsonfile

FOLDER = "/var/lib/yunwei/restart"
_PENDING, _LAST = "pending.json", "last.json"


def pending():
    """Return the restart that was begun and not proven, None where there is none."""
    return _read(_PENDING)


def last():
    """Return the last restart that was proven, None where there is none."""
    return _read(_LAST)


def begin(what):
    """Remember `what` (a dict) before the host goes down: whoever comes afterwards proves it by this."""
    jsonfile.write_json(FOLDER, _PENDING, what)


def give_up():
    """Forget a restart that did not happen."""
    os.unlink(os.path.join(FOLDER, _PENDING))


def finish(what):
    """Remember `what` as the last restart; the one that was pending is no more."""
    jsonfile.write_json(FOLDER, _LAST, what)
    give_up()


def _read(name):
    try:
        return jsonfile.read_json(FOLDER, name)
    except EnvironmentError as error:
        if error.errno != errno.ENOENT:
            raise
        return None
