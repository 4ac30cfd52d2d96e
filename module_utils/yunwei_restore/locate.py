"""Chooses, from what a site's repository lists, the backup that is restored; decides only, reads nothing.

A snapshot that was copied to another site carries the id of its first life in `original`: manifests, records and
people name that one, restic at that site knows only its own. Both are kept apart here as `id` and `site_id`.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from .errors import BadBackupError, NotJudgedError
from .hosttools import clock

CLOCK_TOLERANCE_SECONDS = 600
_FRACTION = re.compile(r"\.\d+")


def sort_snapshots(listed, system):
    """Return ({item: {"manifests": [..], "payloads": [..]}}, [what was left out and why]), newest first.

    `listed` is the JSON of `restic snapshots`. A snapshot counts only with the host name, the tags and the one path
    that the backup module gives; whatever else lies in the repository is reported and never used.
    """
    items, ignored = {}, []
    for entry in listed:
        snapshot = _read_snapshot(entry)
        why = _why_not(snapshot, system)
        if why:
            ignored.append({"snapshot": snapshot["id"], "why": why})
            continue
        kinds = items.setdefault(snapshot["item"], {"manifests": [], "payloads": []})
        kinds[snapshot["kind"] + "s"].append(snapshot)
    for kinds in items.values():
        for snapshots in kinds.values():
            snapshots.sort(key=lambda snapshot: (snapshot["time"], snapshot["id"]), reverse=True)
    return items, ignored


def candidates(kinds, item, record, now):
    """Return (manifest snapshots to try in order, [left out and why]) for one item.

    `kinds` is its part of sort_snapshots (or None), `record` an id or prefix of at least 8 characters or None for the
    newest, `now` seconds by the target's clock. Raises BadBackupError when there is nothing to restore.
    """
    kinds = kinds or {"manifests": [], "payloads": []}
    if record:
        return _asked_for(kinds["manifests"], item, record), []
    usable, ignored = [], []
    for snapshot in kinds["manifests"]:
        if snapshot["time"] > now + CLOCK_TOLERANCE_SECONDS:
            ignored.append({"snapshot": snapshot["id"], "why": "its time lies in the future"})
        else:
            usable.append(snapshot)
    if usable:
        return usable, ignored
    if kinds["payloads"]:
        raise BadBackupError(
            item,
            "manifest missing: %d payload snapshots but no usable manifest, newest payload %s"
            % (len(kinds["payloads"]), kinds["payloads"][0]["id"][:16]),
            "only a backup with its manifest was accepted; make a new backup and copy it",
        )
    raise BadBackupError(item, "no backup at all at this site", "make a backup and copy it to the site")


def unclaimed_payload(kinds, chosen, now):
    """Return the newest payload snapshot that is newer than the `chosen` manifest, or None.

    Where only accepted backups are copied, such a payload has lost its manifest (or the copy was interrupted).
    """
    for payload in kinds["payloads"]:
        if chosen["time"] < payload["time"] <= now + CLOCK_TOLERANCE_SECONDS and payload["run"] != chosen["run"]:
            return payload
    return None


def payload_id_at_site(kinds, payload, item):
    """Return the site's own id of `payload` (id of its first life); raises BadBackupError when it is not there."""
    for snapshot in kinds["payloads"]:
        if snapshot["id"] == payload:
            return snapshot["site_id"]
    raise BadBackupError(
        item, "payload missing: snapshot %s is not at this site" % payload[:16], "copy it again or make a new backup"
    )


def _asked_for(manifests, item, record):
    if len(record) < 8 or not re.match(r"\A[0-9a-f]+\Z", record):
        raise NotJudgedError(item, "%r is not a record id" % (record,), "give at least 8 hexadecimal digits")
    found = [one for one in manifests if one["id"].startswith(record) or one["site_id"].startswith(record)]
    if not found:
        raise BadBackupError(item, "no backup at all with record %s at this site" % record, "list what is there")
    if len(found) > 1:
        raise NotJudgedError(item, "record %s fits %d backups" % (record, len(found)), "give more digits")
    return found


def _read_snapshot(entry):
    tags = dict(tag.split(":", 1) for tag in entry.get("tags") or [] if ":" in tag)
    flags = [tag for tag in entry.get("tags") or [] if ":" not in tag]
    try:
        when = clock.moment(entry.get("time", "")) + float("0" + (_FRACTION.findall(entry["time"]) or [".0"])[0])
    except ValueError:
        when = None
    return {
        "id": entry.get("original") or entry.get("id", ""),
        "site_id": entry.get("id", ""),
        "time": when,
        "host": entry.get("hostname"),
        "paths": entry.get("paths") or [],
        "kind": _kind(flags),
        "item": tags.get("item"),
        "run": tags.get("run"),
    }


def _kind(flags):
    kinds = [flag for flag in flags if flag in ("manifest", "payload")]
    return kinds[0] if len(kinds) == 1 and "yunwei" in flags else None


def _why_not(snapshot, system):
    if snapshot["kind"] is None or not snapshot["item"] or ":" not in snapshot["item"]:
        return "not made by this library"
    if snapshot["host"] != system:
        return "its host name is %r, not %r" % (snapshot["host"], system)
    if snapshot["time"] is None:
        return "its time cannot be read"
    expected = ["/%s.%s" % (snapshot["item"].replace(":", "-", 1), snapshot["kind"])]
    if snapshot["paths"] != expected:
        return "its path is not %s" % expected[0]
    return ""
