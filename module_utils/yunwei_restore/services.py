"""Stops and starts services one by one in the order that policy gives."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re

from . import application, commands
from .errors import NotJudgedError

_UNIT = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}\Z")


def run(work, service, wanted, report, check=False):
    """Bring `service` to `wanted` and return whether that changed anything; `work` is the unit of work.

    Where one does not start, the application is not asked any more, and that is said.
    """
    report.facts.update(unit=service, state=wanted)
    try:
        return set_state(service, wanted, check)
    except NotJudgedError as error:
        report.blame(error)
    if wanted == "started":
        report.blame(application.not_asked(work))
    return True


def set_state(unit, wanted, check=False):
    """Bring the service `unit` to `wanted` (`started` or `stopped`) and return whether that changed anything.

    Raises NotJudgedError when it is not known here or does not reach the state.
    """
    if not _UNIT.match(unit):
        raise NotJudgedError(unit, "not the name of a service", "correct the policy")
    if is_running(unit) == (wanted == "started"):
        return False
    if not check:
        _call(unit, "start" if wanted == "started" else "stop")
        if is_running(unit) != (wanted == "started"):
            raise NotJudgedError(unit, "the service was not %s" % wanted, "look at its journal")
    return True


def is_running(unit):
    """Return whether the service is active."""
    try:
        if os.path.isdir("/run/systemd/system"):
            commands.run(["systemctl", "is-active", "--quiet", unit])
        else:
            commands.run(["service", _name(unit), "status"])
    except commands.CommandError:
        return False
    return True


def _call(unit, verb):
    try:
        if os.path.isdir("/run/systemd/system"):
            commands.run(["systemctl", verb, unit])
        else:
            commands.run(["service", _name(unit), verb])
    except commands.CommandError as error:
        step = "look at its journal; a new host needs its unit installed first, which no backup brings"
        raise NotJudgedError(unit, "cannot %s the service: %s" % (verb, error), step)


def _name(unit):
    return unit[: -len(".service")] if unit.endswith(".service") else unit
