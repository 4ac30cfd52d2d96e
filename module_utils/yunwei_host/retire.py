"""Carries out a retention plan: forgets exactly the planned snapshots and gives their space back; may be killed."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import os
import time

from .acting import demand_planned
from .capacity import forecast, remember
from .clock import local_time, stamp
from .damage import mend, note_damage
from .faults import FaultError, RefusedByPolicyError, RepositoryAbsentError
from .hostlock import HostLock
from .leftovers import clear_notes, give_back, is_hindered, unknown_snapshots
from .records import RecordStore, payloads_of
from .rejected import plan_rejected
from .repository import clear_dead_locks, open_repository, own_like_config
from .retention import demand_permission, plan_retention
from .sitelock import PruningLock
from .siterecords import learn_records
from .space import disk_bytes
from .tripwire import is_held_by, open_trips, told

_PASSWORDS = {"local": "repository-local", "miyun": "repository-miyun"}
_SITE_RECORDS = "/var/lib/yunwei/records/%s"


def retire(work, host, permit, secrets, check=False):
    """Remove what the rule no longer keeps and return (public summary, changed); `check`: only say what would go.

    Args:
        work: a `RetireWork`.
        host: this host's name in the inventory.
        permit: what the gate issued.
        secrets: {"repository-local" or "repository-miyun": {"password"}}.

    Raises RefusedByPolicyError without a valid permission, for what is not as the permit's stored plan says, and for
    an early release that was not approved; FaultError when the repository cannot be used.
    """
    now = time.time()
    demand_permission(work["permission"], now, local_time(work["timezone"]))
    if work.get("release") and not (check or permit.get("approval")):
        raise RefusedByPolicyError("approval", "REFUSED: the permit of an early release names no approval")
    repository = _open(work, secrets)
    store = RecordStore(work["records"] or _SITE_RECORDS % work["system"])
    if check:
        records, quarantined = _records(work, repository, store, learn=False)
        plan = _plan(work, repository, store, records, now)
        demand_planned(permit, work["system"], host, what_goes(plan))
        summary = _summary(work, records, plan, quarantined, None)
        return _with_capacity(summary, work, _capacity(work, repository, store, keep=False)), False
    with HostLock(work["system"], permit):
        if work["site"] == "local":
            return _retire(work, host, permit, repository, store)
        with PruningLock(work["system"]):
            done = _retire(work, host, permit, repository, store)
            own_like_config(repository.location)
            return done


def what_goes(plan):
    """Return the digest of which snapshots a plan removes."""
    names = [record["record_id"] for record in plan["remove"]] + plan["payloads"]
    return hashlib.sha256("\n".join(sorted(names)).encode("ascii")).hexdigest()


def _retire(work, host, permit, repository, store):
    locks = clear_dead_locks(repository)
    # At the other site that site's administrator mends: its receipts must not lose sight of what was damaged.
    mended = mend(repository, store) if work["site"] == "local" else None
    cleared = clear_notes(repository, store)
    records, quarantined = _records(work, repository, store, learn=True)
    plan = _plan(work, repository, store, records, time.time())
    demand_planned(permit, work["system"], host, what_goes(plan))
    for one in plan["rejected"]:
        store.keep_rejected(one)
    space = _remove(repository, store, plan, permit) if plan["remove"] or plan["payloads"] else None
    summary = _summary(work, records, plan, quarantined, space)
    summary["swept"] = dict(cleared, locks=locks, mended=mended)
    for hindered in [one for one in (space, cleared["space"]) if is_hindered(one)][:1]:
        summary = _with_hindrance(summary, work, store, hindered["hindered"])
    summary = _with_capacity(summary, work, _capacity(work, repository, store, keep=True))
    return summary, bool(space or locks or mended or cleared["space"])


def _open(work, secrets):
    name = _PASSWORDS[work["site"]]
    if name not in secrets:
        raise FaultError("the password %s is missing for system %s" % (name, work["system"]))
    return open_repository(work["repository"], secrets[name]["password"])


def _records(work, repository, store, learn):
    """Return the records that count and what was put aside: [{"snapshot", "why"}]."""
    try:
        snapshots = repository.snapshots()
    except RepositoryAbsentError:
        if not store.load():
            return [], []
        raise
    aside = []
    if work["site"] != "local":
        records, aside = learn_records(work, repository, store, snapshots, learn)
    else:
        records = store.load()
        unknown = unknown_snapshots(records, snapshots)
        aside = [{"snapshot": snapshot["id"], "why": "no record names it"} for snapshot in unknown]
    there = set(snapshot["id"] for snapshot in snapshots)
    for record in records:
        missing = sorted(set(payloads_of(record) + [record["record_id"]]) - there)
        if missing:
            aside.append({"snapshot": record["record_id"], "why": "lost: %s is not there" % missing[0][:16]})
            record["lost"] = missing
    return records, aside


def _plan(work, repository, store, records, now):
    """Return the plan of `plan_retention` with "rejected" added; what expires of those goes with the payloads."""
    plan = plan_retention(records, work, now, local_time(work["timezone"]))
    plan["rejected"] = []
    if work["site"] == "local" and not work.get("release"):
        unknown = unknown_snapshots(records, repository.snapshots_if_any() or [])
        rule = {"days": work["rejected_days"], "room": work["max_removals"] - len(plan["remove"])}
        plan["rejected"] = plan_rejected(unknown, store.rejected(), records, rule, now)
        plan["payloads"] += [one["snapshot"] for one in plan["rejected"] if one["status"] == "expires"]
    return plan


def _remove(repository, store, plan, permit):
    """Forget manifests before payloads: a payload without manifest is no backup, the reverse would look like one."""
    manifests = [record["record_id"] for record in plan["remove"]]
    note = "%s.retire" % permit["run_id"]
    store.note(note, {"kind": "retire", "run": permit["run_id"], "records": manifests, "payloads": plan["payloads"]})
    there = set(snapshot["id"] for snapshot in repository.snapshots())
    repository.forget([name for name in manifests if name in there])
    space = give_back(repository, [name for name in plan["payloads"] if name in there])
    for name in manifests:
        store.remove(name)
    for one in plan["rejected"]:
        if one["status"] == "expires":
            store.keep_rejected(dict(one, removed_at=stamp(), run=permit["run_id"]))
    store.settle(note)
    return space


def _summary(work, records, plan, quarantined, space):
    kept = {}
    for reasons in plan["keep"].values():
        for reason in reasons:
            kept[reason] = kept.get(reason, 0) + 1
    return {
        "system": work["system"],
        "site": work["site"],
        "permission": work["permission"]["reference"],
        "release": work.get("release"),
        "plan": {"digest": what_goes(plan)},
        "time": stamp(),
        "kept": len(plan["keep"]),
        "kept_because": kept,
        "items": [_line(record, "removed" if space else "would remove") for record in plan["remove"]]
        + [_line(record, "postponed") for record in plan["postponed"]]
        + [_rejected_line(one, space) for one in plan["rejected"] if one["status"] != "rejected"]
        + [_trip_line(trip, records) for trip in open_trips(records, work["tripwire_releases"])],
        "payloads": len(plan["payloads"]),
        "quarantined": [line for line in quarantined if not (space and line["snapshot"] in plan["payloads"])],
        "space": space,
    }


def _capacity(work, repository, store, keep):
    """Return when the site's disk is full (see capacity.py), None before there is a repository."""
    if not os.path.isdir(repository.location):
        return None
    used, free = disk_bytes(repository.location)
    samples = remember(store.usage(), time.time(), used)
    if keep:
        store.keep_usage(samples)
    return forecast(samples, free, work["alert_days"])


def _with_hindrance(summary, work, store, hindered):
    """Tell that no space was given back because of damage; at this site the next run then mends first."""
    if work["site"] == "local":
        note_damage(store)
    reason = "damage keeps its space from being given back: %s; run yunwei backups verify" % hindered
    summary["items"].append({"item": "site:%s" % work["site"], "status": "failed", "reason": reason})
    return dict(summary, verdict="failed")


def _with_capacity(summary, work, found):
    """Add the forecast; within the rule's days it is a failure, for somebody must act."""
    summary["capacity"] = found
    if found and found["alert"]:
        days = "its disk is full in %d days (alert at %d)" % (found["days_until_full"], work["alert_days"])
        grows = "%d bytes are free, %d more are used each day" % (found["free"], found["growth_a_day"])
        reason = "%s: %s; give it space, or let the client shorten the rule" % (days, grows)
        summary["items"].append({"item": "site:%s" % work["site"], "status": "failed", "reason": reason})
        summary["verdict"] = "failed"
    return summary


def _line(record, status):
    return {
        "item": record["item"],
        "status": status,
        "record": record["record_id"],
        "accepted_at": record["accepted_at"],
    }


def _rejected_line(one, space):
    status = {"expires": "removed" if space else "would remove"}.get(one["status"], one["status"])
    reason = "%s; first seen %s" % (one["why"], one["first_seen"])
    return {"item": "snapshot:%s" % one["snapshot"][:12], "status": status, "reason": reason}


def _trip_line(trip, records):
    held = len([record for record in records if is_held_by(record, trip)])
    return dict(_line(trip, "suspicious"), suspicious=[told(trip)], reason="%d backups before it are held" % held)
