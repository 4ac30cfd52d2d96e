"""Moments as records write them (ISO 8601, UTC) and the days of a time zone, with what Python 2.6 has."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import calendar
import os
import re
import time

from .faults import FaultError

ZONES = "/usr/share/zoneinfo"
_MOMENT = re.compile(r"\A(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|([+-])(\d\d):?(\d\d))\Z")


def stamp(seconds=None):
    """Return `seconds` since 1970 (default now) as `YYYY-mm-ddTHH:MM:SSZ`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() if seconds is None else seconds))


def moment(text):
    """Return the seconds since 1970 of an ISO 8601 time with zone; raises ValueError for any other text."""
    found = _MOMENT.match("%s" % (text,))
    if not found:
        raise ValueError("not an ISO 8601 time with zone: %r" % (text,))
    numbers = [int(part) for part in found.groups()[:6]]
    seconds = calendar.timegm(tuple(numbers) + (0, 0, 0))
    sign, hours, minutes = found.groups()[6:]
    if sign:
        seconds -= int(sign + "1") * (int(hours) * 3600 + int(minutes) * 60)
    return seconds


def local_time(zone):
    """Return a function from seconds since 1970 to a `struct_time` in the IANA zone; for the whole process.

    Raises FaultError for a zone that the host does not know: it would silently be UTC.
    """
    if not re.match(r"\A[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*\Z", zone) or not os.path.isfile(os.path.join(ZONES, zone)):
        raise FaultError("time zone %s is not known on this host; install tzdata or correct the policy" % zone)
    os.environ["TZ"] = zone
    time.tzset()
    return time.localtime
