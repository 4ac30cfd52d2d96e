"""Decides which accepted backups go: from records alone, never from what a repository happens to list.

Kept are the newest of so many days, weeks, months and years, and always: the newest good backup of each item, what is
not yet proven at the other site (unless an approved early release names it), what is under a legal hold, what lies in
the future, and every payload that a kept backup is built on; what the tripwire found suspicious and the good ones
before it, until a person releases that. Decides only; `retire.py` acts.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import datetime
import time

from .clock import moment
from .faults import FaultError, RefusedByPolicyError
from .frames import clean_text
from .records import is_named, payloads_of
from .tripwire import is_held_by, open_trips

CLOCK_TOLERANCE_SECONDS = 600
# The Cybersecurity Law asks for six months of network logs at least; no variable lowers it.
LOG_ARCHIVE_SECONDS = 184 * 86400
_ARCHIVES = {"logs": "archived logs are kept for six months", "history": "exported rows are kept for six months"}
_PERIODS = (
    ("daily", lambda day: (day.tm_year, day.tm_yday)),
    ("weekly", lambda day: datetime.date(*day[:3]).isocalendar()[:2]),
    ("monthly", lambda day: (day.tm_year, day.tm_mon)),
    ("yearly", lambda day: day.tm_year),
)


def demand_permission(permission, now, local):
    """Raise RefusedByPolicyError unless the rule names a written permission that has not expired.

    Args:
        permission: {"reference", "expires": "YYYY-mm-dd", the last day}.
        now: seconds since 1970.
        local: function from seconds to `struct_time` in the policy's zone.
    """
    if not permission or not permission.get("reference"):
        raise RefusedByPolicyError(
            "permission", "REFUSED: the retention rule names no written permission of the client"
        )
    today = time.strftime("%Y-%m-%d", local(now))
    if not permission.get("expires") or permission["expires"] < today:
        raise RefusedByPolicyError(
            "permission",
            "REFUSED: permission %s expired on %s; nothing is removed without a valid one"
            % (permission["reference"], permission.get("expires")),
        )


def plan_retention(records, work, now, local):
    """Return {"keep": {record id: [reasons]}, "remove": [record], "postponed": [record], "payloads": [ids]}.

    Args:
        records: every record of the system.
        work: {"items", "keep", "max_removals", "legal_holds", "tripwire_releases", "needs_site", "release"} as in a
            `RetireWork`.
        now: seconds since 1970.
        local: function from seconds to `struct_time` in the policy's zone: days, weeks, months begin there.

    `payloads` are the payload snapshots that nothing needs once `remove` is gone. Where "release" names records, only
    these go, all of them, and they alone need not wait for the other site.

    Raises FaultError where a released name is not that of exactly one record, or of one that must stay all the same.
    """
    released = _released(records, work)
    keep = dict((record["record_id"], []) for record in records)
    for item in sorted(set(record["item"] for record in records)):
        ours = sorted((record for record in records if record["item"] == item), key=_age_key, reverse=True)
        for record, reason in list(_reasons(ours, item, work, now, local)) + _by_law(ours, now):
            keep[record["record_id"]].append(reason)
    if released:
        for record in records:
            if record["record_id"] not in released:
                keep[record["record_id"]].append("the early release does not name it")
    _demand_free(released, keep, work)
    useless = sorted((record for record in records if not keep[record["record_id"]]), key=_age_key)
    remove, postponed = useless[: work["max_removals"]], useless[work["max_removals"] :]
    gone = set(record["record_id"] for record in remove)
    needed = set(name for record in records if record["record_id"] not in gone for name in payloads_of(record))
    return {
        "keep": dict((name, keep[name]) for name in keep if keep[name]),
        "remove": remove,
        "postponed": postponed,
        "payloads": sorted(set(name for record in remove for name in payloads_of(record)) - needed),
    }


def is_proven_at(record, site):
    """Return whether a signed receipt of `site` has named the record's snapshots."""
    return bool(((record.get("sync") or {}).get(site) or {}).get("verified_at"))


def _age_key(record):
    return (moment(record["accepted_at"]), record["record_id"])


def _names(work):
    return (work.get("release") or {}).get("records") or []


def _released(records, work):
    """Return the ids of the records that an early release names, by their ids or the beginnings of these."""
    found = set()
    for name in _names(work):
        ids = [record["record_id"] for record in records if record["record_id"].startswith(name)]
        if len(ids) != 1:
            said = "record %s of the early release names %d backups of system %s here: see yunwei backups list"
            raise FaultError(said % (clean_text(name), len(ids), work["system"]))
        found.add(ids[0])
    return found


def _demand_free(released, keep, work):
    """Raise FaultError where a released record must stay for another reason, or there are too many for one run."""
    for name in sorted(released):
        if keep[name]:
            raise FaultError("record %s stays, also in an early release: %s" % (name[:12], "; ".join(keep[name])))
    if len(released) > work["max_removals"]:
        said = "the early release names %d records; the rule allows %d removals a run: make two of it"
        raise FaultError(said % (len(released), work["max_removals"]))


def _reasons(ours, item, work, now, local):
    """Yield (record, reason to keep it) for the records of one item, newest first."""
    if item not in work["items"]:
        for record in ours:
            yield record, "policy names no such item"
        return
    trips = open_trips(ours, work["tripwire_releases"])
    odd = [(record, reason) for record in ours for reason in [_oddness(record, now)] if reason]
    aside = [record for record, _ in odd] + trips
    good = [record for record in ours if record not in aside and not record.get("damaged")]
    odd = [pair for pair in odd if not _is_replaced(pair[0], good, work["needs_site"])]
    odd += [(trip, "suspicious: the tripwire's finding is not released") for trip in trips]
    for pair in odd + [(record, "no good one exists") for record in ours if not good] + _counted(good, work, local):
        yield pair
    for record in ours:
        replaced = _is_replaced(record, good, work["needs_site"])
        must_be_proven = not replaced and not [name for name in _names(work) if record["record_id"].startswith(name)]
        for reason in _protections(record, work, must_be_proven) + _held_by(record, trips):
            yield record, reason


def _is_replaced(record, good, site):
    """Return whether a record that cannot be read whole any more, so never proven, has a good successor that is."""
    if not (record.get("damaged") or record.get("lost")):
        return False
    return any(_age_key(one) > _age_key(record) and is_proven_at(one, site) for one in good)


def _by_law(ours, now):
    """Return (record, reason) for archives that the law keeps, whatever policy says: they are all that is left."""
    young = [record for record in ours if now - moment(record["accepted_at"]) < LOG_ARCHIVE_SECONDS]
    return [(record, _ARCHIVES[record["kind"]]) for record in young if record["kind"] in _ARCHIVES]


def _oddness(record, now):
    """Return why a record neither counts nor goes, or None."""
    if record.get("lost"):
        return "parts of it are missing: for a person to look at"
    if record.get("doubt"):
        return record["doubt"]
    if moment(record["accepted_at"]) > now + CLOCK_TOLERANCE_SECONDS:
        return "its time lies in the future"
    return None


def _counted(good, work, local):
    keep = work["keep"]
    pairs = [(record, "the newest good one") for record in good[:1]]
    pairs += [(record, "last") for record in good[: keep.get("last") or 0]]
    for name, period in _PERIODS:
        pairs += [(record, name) for record in _newest_of_each(good, period, keep.get(name) or 0, local)]
    return pairs


def _protections(record, work, must_be_proven):
    """Return what forbids to remove the record, however old it is."""
    reasons = []
    if must_be_proven and work["needs_site"] and not is_proven_at(record, work["needs_site"]):
        reasons.append("not yet proven at %s" % work["needs_site"])
    for hold in work["legal_holds"]:
        if hold["item"] == record["item"] and is_named(record, hold["record"]):
            reasons.append("legal hold: %s" % hold["reason"])
    return reasons


def _held_by(record, trips):
    held = [trip["record_id"][:12] for trip in trips if is_held_by(record, trip)]
    return ["held by the tripwire until record %s is released" % name for name in held]


def _newest_of_each(good, period, count, local):
    """Return the newest record of each of the newest `count` periods that have one."""
    chosen = {}
    for record in good:
        key = period(local(moment(record["accepted_at"])))
        if key not in chosen and len(chosen) == count:
            break
        chosen.setdefault(key, record)
    return list(chosen.values())
