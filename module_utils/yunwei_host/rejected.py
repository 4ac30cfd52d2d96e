"""Decides which snapshots of the local repository go although they were never accepted: those that nobody misses.

What no record names is kept for the days of the rule, counted from when a retention run first saw it: the time in a
snapshot is only what its maker says. Decides only; `retire.py` acts.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .clock import moment, stamp
from .frames import clean_text

_DAY = 86400


def plan_rejected(unknown, seen, records, rule, now):
    """Return [{"snapshot", "item", "why", "first_seen", "status", "reason"}], one for each unknown snapshot.

    `status` is `expires` for what goes now, `postponed` for what would be one removal too many, else `rejected`.

    Args:
        unknown: the snapshots that no record names, as restic lists them.
        seen: what earlier runs kept of them: {id: {"first_seen", ...}}.
        records: every record of the system.
        rule: {"days": how long each is kept, "room": how many removals this run may still make}.
        now: seconds since 1970.
    """
    found = [_found(snapshot, seen.get(snapshot["id"]), now) for snapshot in unknown]
    found.sort(key=lambda one: (one["first_seen"], one["snapshot"]))
    room, suspended = rule["room"], set(one["item"] for one in found if one["manifest"])
    for one in found:
        one["reason"] = _reason_to_keep(one, suspended, records, rule["days"], now)
        one["status"] = "rejected" if one["reason"] else "expires" if room > 0 else "postponed"
        room -= one["status"] == "expires"
    return found


def _found(snapshot, before, now):
    tags = [clean_text(tag)[:200] for tag in snapshot.get("tags") or []]
    told = dict(tag.split(":", 1) for tag in tags if ":" in tag)
    return {
        "snapshot": snapshot["id"],
        "item": told.get("item") if "yunwei" in tags else None,
        "manifest": "yunwei" in tags and "manifest" in tags,
        "why": _why(tags, told),
        "first_seen": (before or {}).get("first_seen") or stamp(now),
    }


def _why(tags, told):
    if "yunwei" not in tags:
        return "no record names it: not made by a backup"
    if "manifest" in tags:
        return "no record names it: the manifest of run %s was not accepted, or its record was lost" % told.get("run")
    return "no record names it: run %s ended before its manifest was stored" % told.get("run")


def _reason_to_keep(one, suspended, records, days, now):
    """Return why a snapshot stays, None when it goes: what could belong to a lost record waits for a person."""
    if not records:
        return "there are no records at all: for a person to look at"
    if one["item"] in suspended:
        return "a manifest of %s has no record: for a person to look at" % one["item"]
    age = int((now - moment(one["first_seen"])) // _DAY)
    return "seen for %d days, kept for %d" % (age, days) if age < days else None
