"""Decides how old the newest proven copy of each item is, against its limit, and what a channel is to be told.

Pure functions over plain data. Standard library only, Python 2.6 and later.
"""

from __future__ import absolute_import, division, print_function

import calendar
import time

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
CLOCK_SECONDS = 300
GOOD, LATE, NONE, UNREAD, UNDELIVERED = "good", "late", "none", "unread", "undelivered"


def stamp(seconds):
    """Return seconds since 1970 as statements write a time."""
    return time.strftime(FORMAT, time.gmtime(seconds))


def moment(text):
    """Return the seconds since 1970 of such a time; raises ValueError for any other text."""
    return calendar.timegm(time.strptime(text, FORMAT))


def judge(systems, statements, now):
    """Return {key: finding} for every item of the rules.

    Args:
        systems: the rules' list of {"id", "name", "items": [{"item", "limit_seconds"}]}.
        statements: {system: the copies that its signed statement names, or the text why there is none to go by}.
        now: seconds since 1970.

    A finding is {"kind", "system", "name", "item", "age_seconds", "limit_seconds", "taken", "reason"}.
    """
    findings = {}
    for system in systems:
        for rule in system["items"]:
            found = dict(system=system["id"], name=system["name"], item=rule["item"])
            found.update(limit_seconds=rule["limit_seconds"], age_seconds=None, taken=None, reason=None)
            found.update(_judge_item(statements[system["id"]], rule, now))
            findings["%s/%s" % (system["id"], rule["item"])] = found
    return findings


def _judge_item(statement, rule, now):
    if not isinstance(statement, dict):
        return {"kind": UNREAD, "reason": statement}
    copy = statement.get(rule["item"])
    if copy is None:
        return {"kind": NONE}
    try:
        # The time that was claimed counts, but no copy is newer than its arrival.
        taken = min(moment(copy["claimed"]), moment(copy["arrived"]))
    except (KeyError, TypeError, ValueError):
        return {"kind": UNREAD, "reason": "the statement names no time of this copy"}
    if taken > now + CLOCK_SECONDS:
        return {"kind": UNREAD, "taken": stamp(taken), "reason": "its time lies in the future of this host's clock"}
    age = max(0, int(now - taken))
    return {"kind": LATE if age > rule["limit_seconds"] else GOOD, "age_seconds": age, "taken": stamp(taken)}


def undelivered(failures):
    """Return the findings of channels that could not be told: {channel: the text why, or None}, as `judge` does."""
    return dict(
        ("channel/%s" % name, {"kind": UNDELIVERED if why else GOOD, "channel": name, "reason": why})
        for name, why in failures.items()
    )


def choose(findings, told, repeat_seconds, now):
    """Return the keys of what a channel is to be told now, sorted: (alerts, recoveries).

    Args:
        findings: {key: finding}; one with a true "once" is told and not repeated.
        told: what this channel was told and is not over: {key: {"kind", "at"}}.
        repeat_seconds: how long an alert that stays as it is holds its peace.
    """
    alerts = [key for key in findings if _is_due(findings[key], told.get(key), repeat_seconds, now)]
    recovered = [key for key in findings if findings[key]["kind"] == GOOD and key in told]
    return sorted(alerts), sorted(recovered)


def _is_due(finding, before, repeat_seconds, now):
    if finding["kind"] == GOOD:
        return False
    if before is None or before["kind"] != finding["kind"]:
        return True
    if finding.get("once"):
        return False
    # A time in the future was written by a clock that has been set back since.
    return not 0 <= now - before["at"] < repeat_seconds


def remember(findings, told, alerts, recovered, now):
    """Return what a channel has been told, after it was told these; what the rules name no more is forgotten."""
    after = dict((key, told[key]) for key in told if key in findings and key not in recovered)
    after.update((key, {"kind": findings[key]["kind"], "at": now}) for key in alerts)
    return after
