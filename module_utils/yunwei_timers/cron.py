"""A set of timers on a host that has cron and no systemd."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os

from . import files
from .crontab import FOLDER, crontab_file
from .faults import TimerError

LOCALTIME = "/etc/localtime"
ZONES = "/usr/share/zoneinfo"


def plan(work):
    """Return one line for the set's file, as `systemd.plan` does for each timer."""
    name, text = crontab_file(work)
    wrong = files.differences(FOLDER, name, text)
    status = "differs" if wrong else "as wanted"
    if not os.path.lexists(os.path.join(FOLDER, name)):
        status = "missing"
    return [{"item": name, "status": status, "reason": "; ".join(wrong) or None}]


def apply(work, planned):
    """Write the set's file where it is not as wanted; raises TimerError where cron would read another time zone."""
    _demand_zone(work["timezone"])
    if planned[0]["status"] != "as wanted":
        files.put(FOLDER, *crontab_file(work))


def _demand_zone(zone):
    """Cron knows the host's own zone alone."""
    try:
        same = _content(LOCALTIME) == _content(os.path.join(ZONES, zone))
    except (IOError, OSError) as error:
        raise TimerError("the host's time zone cannot be compared with %s: %s; install tzdata" % (zone, error))
    if not same:
        raise TimerError("cron runs in the host's own time zone, which is not %s: set %s to it" % (zone, LOCALTIME))


def _content(path):
    with open(path, "rb") as stream:
        return stream.read()
