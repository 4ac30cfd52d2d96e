"""Decides what a backup run does with each item, and how the result tells it; touches nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .baseline import choose_baseline
from .clock import moment
from .readback import has_reader


def plan_items(work, records, snapshots, now):
    """Decide what happens to each item: [{"item", "status": due|not due|could not judge, "reason", "baseline"}].

    Args:
        work: a `BackUpWork`.
        records: the system's records, oldest first.
        snapshots: the repository's snapshots.
        now: seconds since 1970, for the age of a full backup of files.
    """
    there = [snapshot["id"] for snapshot in snapshots]
    return [_plan_item(item, work, records, there, now) for item in work["items"]]


def _plan_item(item, work, records, there, now):
    step = {"item": item, "status": "due", "reason": "asked for", "baseline": None, "record": None}
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
        "read_back_seconds": record["verified"]["seconds"],
        "clock_skew_seconds": record["producer"]["clock_skew_seconds"],
    }


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
    """Return `failed`, `could not judge` or `passed`: the worst that is said about an item."""
    states = [item["status"] for item in items]
    return "failed" if "failed" in states else "could not judge" if "could not judge" in states else "passed"
