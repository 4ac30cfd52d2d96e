"""Timers as systemd units: pure functions from a set of timers to the files that make them.

A set is {"set": name, "timezone": IANA zone, "timers": [timer]}; a timer is {"name", "description", "command": words,
"user", "environment": {name: text}, "moments", "spread_seconds", "confine": paths that it may write, or None}. A moment
is {"every": "minutes", "count"} or {"every": day, week, month or quarter, "day", "at"}, as in the policy's schedules.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from .faults import TimerError

FOLDER = "/etc/systemd/system"
_PLAIN = re.compile(r"\A[A-Za-z0-9_@=:,./+-]+\Z")
_SERVICE = """\
%(mark)s
[Unit]
Description=%(description)s
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User=%(user)s
UMask=0077
%(more)sExecStart=%(command)s
"""
_TIMER = """\
%(mark)s
[Unit]
Description=%(description)s

[Timer]
%(calendar)s
Persistent=true
RandomizedDelaySec=%(spread)d
AccuracySec=1min

[Install]
WantedBy=timers.target
"""
_CONFINED = ("NoNewPrivileges=yes", "PrivateTmp=yes", "PrivateDevices=yes", "ProtectHome=yes", "ProtectSystem=strict")


def mark(name):
    """Return the first line of every file of a set: by it our files are told from anybody else's."""
    return "# Made by yunwei, set %s: a change made by hand is undone by the next run." % name


def unit_name(timer):
    """Return the name that a timer's two units have before the dot."""
    return "yunwei-" + timer["name"]


def unit_files(work):
    """Return {file name: text} of every unit of a set."""
    files = {}
    for timer in work["timers"]:
        values = {"mark": mark(work["set"]), "description": _escaped(timer["description"]), "user": timer["user"]}
        values["command"] = " ".join(_quoted(word).replace("$", "$$") for word in timer["command"])
        values["more"] = "".join(line + "\n" for line in _more(timer))
        values["spread"] = timer["spread_seconds"]
        moments = [line for moment in timer["moments"] for line in on_calendar(moment, work["timezone"])]
        values["calendar"] = "\n".join("OnCalendar=" + line for line in moments)
        files[unit_name(timer) + ".service"] = _SERVICE % values
        files[unit_name(timer) + ".timer"] = _TIMER % values
    return files


def _more(timer):
    lines = [
        "Environment=" + _quoted("%s=%s" % (name, timer["environment"][name])) for name in sorted(timer["environment"])
    ]
    if timer["confine"] is not None:
        lines += _CONFINED
        lines += ["ReadWritePaths=" + _quoted(path) for path in timer["confine"]]
    return lines


def on_calendar(moment, timezone):
    """Return the calendar expressions of a moment: together they are the moments of the policy's schedule.

    Day 31 of a shorter month is its last day (`~01` counts from the end).
    """
    if moment["every"] == "minutes":
        return ["*:0/%d" % moment["count"]]
    return ["%s %s:00 %s" % (days, moment["at"], timezone) for days in _days(moment["every"], moment["day"])]


def _days(every, day):
    if every == "day":
        return ["*-*-*"]
    if every == "week":
        return ["%s *-*-*" % day[:3].capitalize()]
    if every == "quarter":
        if day == "last":
            return ["*-03,06,09,12~01"]
        return ["*-01,04,07,10~01" if day == 31 else "*-01,04,07,10-%02d" % day]
    if day in ("last", 31):
        return ["*-*~01"]
    return ["*-*-%02d" % day] if day <= 28 else ["*-01,03..12-%02d" % day, "*-02~01"]


def _escaped(text):
    if re.search(r"[\x00-\x1f]", text):
        raise TimerError("%r holds a control character; units are lines of text" % text)
    return text.replace("%", "%%")


def _quoted(word):
    """Return a word as systemd reads it back unchanged."""
    if _PLAIN.match(word):
        return word
    return '"%s"' % _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
