"""Decides what a backup run does with each item, and how the result tells it; touches nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .baseline import choose_baseline
from .clock import moment
from .readback import has_reader
from .records import payloads_of
from .tripwire import open_trips, told


def plan_items(work, records, snapshots, now):
    """Decide what happens to each item: [{"item", "status": due|not due|could not judge, "reason", ...}].

    A step that is due also has "baseline" (the record that it builds on or None), "former" (the one that it is compared
    with or None) and "history" (the good ones before it).

    Args:
        work: a `BackUpWork`.
        records: the system's records, oldest first.
        snapshots: the repository's snapshots.
        now: seconds since 1970, for the age of a full backup of files.
    """
    there = [snapshot["id"] for snapshot in snapshots]
    return [_plan_item(item, work, records, there, now) for item in work["items"]]


def _plan_item(item, work, records, there, now):
    step = {"item": item, "status": "due", "reason": "asked for", "record": None}
    step.update(baseline=None, former=None, history=[])
    if item["no_driver"] or (item["kind"] == "database" and not has_reader(item["engine"])):
        return dict(step, status="could not judge", reason=item["no_driver"] or "no driver for %s" % item["engine"])
    ours = [record for record in records if record["item"] == item["item"] and not record.get("damaged")]
    # What the repository has lost does not count as backed up.
    ours = [record for record in ours if record["record_id"] in there and record["payload"]["snapshot"] in there]
    started = [record for record in ours if moment(record["started"]) >= moment(item["schedule"]["last_scheduled"])]
    if started and not work["now"]:
        newest = started[-1]
        reason = "backed up at %s, next due %s" % (newest["started"], item["schedule"]["next_due"])
        return dict(step, status="not due", reason=reason, record=newest)
    if not work["now"]:
        step["reason"] = "no accepted backup since %s" % item["schedule"]["last_scheduled"]
    step["baseline"] = choose_baseline(records, item, there, now)
    step["former"] = step["baseline"] or (ours[-1] if ours else None)
    suspicious = open_trips(ours, work["tripwire"]["releases"])
    whole = [record for record in ours if set(payloads_of(record)) <= set(there)]
    step["history"] = [record for record in whole if record not in suspicious]
    return step


def facts(record):
    """Return what the result says about an accepted backup."""
    counts = record["counts"]
    return {
        "payload": record["payload"]["snapshot"],
        "bytes": record["payload"]["bytes"],
        "manifest_sha256": record["manifest_sha256"],
        "tables": counts.get("tables", 0),
        "rows": counts.get("rows", 0),
        "files": counts.get("files", 0),
        "files_sent": counts.get("sent", 0),
        "changed_while_read": counts.get("changed_while_read", 0),
        "new_bytes": record["stored"]["new_bytes"],
        "compared_with": record["tripwire"]["compared_with"],
        "read_back_seconds": record["verified"]["seconds"],
        "clock_skew_seconds": record["producer"]["clock_skew_seconds"],
    }


def tell_trips(items, records, releases):
    """Say on the result's lines what the tripwire found and nobody has released yet, whichever run it was found in.

    Args:
        items: the result's lines; "suspicious" is added where there is something to say.
        records: every record of the system.
        releases: [{"item", "record", "reason"}] as in a `TripwireWork`.
    """
    for trip in open_trips(records, releases):
        for line in items:
            if line["item"] == trip["item"]:
                line["suspicious"] = line.get("suspicious", []) + [told(trip)]
                if line["record"] == trip["record_id"] and line["status"] == "accepted":
                    line["status"] = "accepted, suspicious"


def line_of(step):
    """Return the result's line of an item before anything was done."""
    item = step["item"]
    return {
        "item": item["item"],
        "status": step["status"],
        "reason": step["reason"],
        # The manifest's digest is told every time: the run that made the backup may have died before it could.
        "record": step["record"]["record_id"] if step["record"] else None,
        "manifest_sha256": step["record"]["manifest_sha256"] if step["record"] else None,
        "builds_on": step["baseline"]["record_id"] if step["baseline"] else None,
        "next_due": item["schedule"]["next_due"],
    }


def verdict_of(items):
    """Return `failed`, `could not judge` or `passed`: the worst that is said about an item.

    What is suspicious was kept, but whether it is what it should be only a person can judge.
    """
    states = ["could not judge" if item.get("suspicious") else item["status"] for item in items]
    states += [item["status"] for item in items]
    return "failed" if "failed" in states else "could not judge" if "could not judge" in states else "passed"
