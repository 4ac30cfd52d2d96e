"""The same timers as one file of cron, for hosts without systemd: pure functions.

cron forgets what fell into the time when the host was off; so each job is also started when the host has started. The
jobs are made for that: what is not due, or was done, is not done again.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from .faults import TimerError
from .units import mark, unit_name

FOLDER = "/etc/cron.d"
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_LAST_DAY = r'[ "$(date -d tomorrow +\%d)" = 01 ] && '
_SAFE = re.compile(r"\A[A-Za-z0-9_@=:,./+-]+\Z")


def crontab_file(work):
    """Return (file name, text) of a set's timers."""
    lines = [mark(work["set"]), "SHELL=/bin/sh", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", 'MAILTO=""']
    for timer in work["timers"]:
        environment = ["%s=%s" % pair for pair in sorted(timer["environment"].items())]
        words = [_quoted(word) for word in (["env"] + environment if environment else []) + timer["command"]]
        command = "%s 2>&1 | logger -t %s" % (" ".join(words), unit_name(timer))
        whens = [pair for moment in timer["moments"] for pair in _whens(moment)]
        if [moment for moment in timer["moments"] if moment["every"] != "minutes"]:
            whens.append(("@reboot", ""))
        lines += ["%s %s %s%s" % (when, timer["user"], guard, command) for when, guard in whens]
    return "yunwei-" + work["set"], "".join(line + "\n" for line in lines)


def _whens(moment):
    """Return [(time and day fields, guard before the command)] of a moment."""
    if moment["every"] == "minutes":
        return [("*/%d * * * *" % moment["count"], "")]
    hour, minute = [int(part) for part in moment["at"].split(":")]
    days = _days(moment["every"], moment["day"])
    return [("%d %d %s" % (minute, hour, fields), _LAST_DAY if last else "") for fields, last in days]


def _days(every, day):
    """Return [(day, month and weekday fields, whether only the month's last day is meant)]."""
    if every == "day":
        return [("* * *", False)]
    if every == "week":
        return [("* * %d" % _WEEKDAYS.index(day), False)]
    if every == "quarter":
        if day == "last":
            return [("28-31 3,6,9,12 *", True)]
        return [("28-31 1,4,7,10 *", True) if day == 31 else ("%d 1,4,7,10 *" % day, False)]
    if day in ("last", 31):
        return [("28-31 * *", True)]
    return [("%d * *" % day, False)] if day <= 28 else [("%d 1,3-12 *" % day, False), ("28-29 2 *", True)]


def _quoted(word):
    """Return a word as cron and the shell behind it read it back unchanged."""
    if re.search(r"[\x00-\x1f]", word):
        raise TimerError("%r holds a control character; cron reads lines of text" % word)
    return word if _SAFE.match(word) else "'%s'" % word.replace("'", "'\"'\"'").replace("%", "\\%")
