"""Finds the backup of each item at the site and brings it to the target, checked byte by byte on the way."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import functools
import hashlib
import os
import time

from . import extract, glue, locate, parallel, site, tables, workdir
from .errors import BadBackupError, NotJudgedError, RefusedError
from .hosttools import clock, process
from .manifest import Manifest, check_record, moment

TRIED_AT_MOST = 50
# A database takes about as much again for its indexes and what loading leaves behind.
_DATABASE_FACTOR = 1.5


def run(unit, host, secrets, report, work):
    """Locate and fetch what `host` receives; the module's whole work. Returns True: the work folder has changed."""
    items = glue.items_here(unit, host)
    with site.SiteReader(unit, host, secrets, work.part("fetch", "cache")) as reader:
        with report.phases.run("locate") as phase:
            locator = Locator(reader, unit, work, time.time())
            plans = parallel.both([functools.partial(locator.plan, item) for item in items])
            phase.bytes = sum(plan["manifest_bytes"] for plan in plans)
            report.facts.update(ignored=locator.ignored[:100], ledger_asked=bool(unit["accepted"]))
            report.facts["records"] = dict((plan["item"], _told(plan)) for plan in plans)
            report.facts["newest"] = dict((plan["item"], plan["newest"]) for plan in plans)
            demand_space(unit, plans, work.path)
        with report.phases.run("fetch") as phase:
            phase.bytes = sum(parallel.both([functools.partial(_fetch_into, reader, plan, work) for plan in plans]))
            _keep(plans, work)
        report.facts["restored_bytes"] = phase.bytes
    return True


def take_over(unit, host, plans, report, work):
    """Check what another host fetched for this one, file by file, and make it this restore's own; returns True.

    `plans` are those that the other host's run left in its state; the files lie in this work folder already.
    """
    expected = [item["item"] for item in glue.items_here(unit, host)]
    if sorted(plan["item"] for plan in plans) != sorted(expected):
        raise NotJudgedError(host, "what was handed over is not what this host receives", "start again")
    with report.phases.run("fetch") as phase:
        phase.bytes = 0
        for plan in plans:
            for path, digest in [(plan["manifest"], plan["manifest_sha256"])] + sorted(plan["digests"].items()):
                found, size = _digest(path)
                if found != digest:
                    raise NotJudgedError(
                        plan["item"], "%s was damaged on its way" % os.path.basename(path), "start again"
                    )
                phase.bytes += size
    _keep(plans, work)
    report.facts["restored_bytes"] = phase.bytes
    return True


def _keep(plans, work):
    for plan in plans:
        work.item(plan["item"]).update(plan)
    work.save()


def _digest(path):
    digest, size = hashlib.sha256(), 0
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


class Locator:
    """Finds, at one site, the backup of each item that is to be restored."""

    def __init__(self, reader, unit, work, now):
        """`reader` is the site's repository, `unit` the unit of work, `now` seconds by this host's clock."""
        self._reader = reader
        self._unit = unit
        self._work = work
        self._now = now
        self._found, self.ignored = locate.sort_snapshots(reader.snapshots(), unit["system"])

    def plan(self, item):
        """Return what is to be fetched for `item` (part of the unit of work); its manifest is brought to this host.

        `ignored` then also names what was left out on the way. Raises BadBackupError when there is nothing good.
        """
        kinds = self._found.get(item["item"])
        chosen, ignored = locate.candidates(kinds, item["item"], item["record"], self._now)
        self.ignored += ignored
        plan = self._first_accepted(item, chosen)
        if self._unit["site"] != "local" and not item["record"]:
            _demand_manifest(kinds, plan, item["item"], self._now)
        return plan

    def _first_accepted(self, item, chosen):
        accepted = self._unit["accepted"]  # an empty ledger knows of none: a new controller must be able to recover
        for snapshot in chosen[:TRIED_AT_MOST]:
            path = self._work.part("fetch", "%s.manifest" % item["slug"])
            _remove(path)
            brought = _dump(self._reader, snapshot["site_id"], "/%s.manifest" % item["slug"], path, item["item"])
            if not accepted or brought[0] in accepted:
                return self._plan(item, snapshot, path, brought)
            self.ignored.append({"snapshot": snapshot["id"], "why": "the ledger knows no accepted backup of this kind"})
        raise BadBackupError(
            item["item"],
            "no backup at all that the ledger knows as accepted (%d manifests at the site)" % len(chosen),
            "make a backup; look at who wrote these",
        )

    def _plan(self, item, snapshot, path, brought):
        manifest = Manifest(path, item["item"])
        record = manifest.record
        check_record(record, self._unit["system"], item["item"])
        if clock.moment(moment(record)) > self._now + locate.CLOCK_TOLERANCE_SECONDS:
            cause = "its record says %s, which lies in the future" % moment(record)
            raise BadBackupError(item["item"], cause, "is the clock of the source right, or of this host wrong?")
        wanted, content = _wanted(item, manifest, self._unit["part"])
        payloads = [_payload(self._found[item["item"]], one, record, item["item"]) for one in wanted]
        return {
            "item": item["item"],
            "slug": item["slug"],
            "record": snapshot["id"],
            "run": snapshot["run"],
            "time": snapshot["time"],
            "snapshot_at": moment(record),
            "newest": self._newer_verified(item, snapshot) or moment(record),
            "manifest": path,
            "manifest_sha256": brought[0],
            "manifest_bytes": brought[1],
            "payloads": payloads,
            "needed_bytes": int(sum(payload["bytes"] or 0 for payload in payloads) + content),
        }

    def _newer_verified(self, item, chosen):
        """Return of when the newest verified copy at the site is, where an older one was asked for; else None.

        What is restored is verified by that. Another copy counts only if the ledger knows it as verified.
        """
        manifests = self._found[item["item"]]["manifests"] if item["record"] else []
        for snapshot in manifests:
            if snapshot["id"] not in self._unit["verified"] or not chosen["time"] < snapshot["time"] <= self._now:
                continue
            path = self._work.part("fetch", "%s.newest" % item["slug"])
            _remove(path)
            digest, _size = _dump(self._reader, snapshot["site_id"], "/%s.manifest" % item["slug"], path, item["item"])
            if digest in (self._unit["accepted"] or []):
                return moment(Manifest(path, item["item"]).record)
        return None


def fetch(reader, plan, work):
    """Bring the payloads of one plan to the work folder; return {payload id: path}, {path: SHA-256}, bytes read.

    Raises BadBackupError when the bytes are not those that were backed up.
    """
    paths, digests, size = {}, {}, 0
    for number, payload in enumerate(plan["payloads"]):
        path = work.part("fetch", "%s.%d.payload" % (plan["slug"], number))
        digest, count = _dump(reader, payload["site_id"], "/%s.payload" % plan["slug"], path, plan["item"])
        if payload["sha256"] is not None and (digest, count) != (payload["sha256"], payload["bytes"]):
            raise BadBackupError(
                plan["item"],
                "payload %s is not what was backed up: %d bytes of %d, SHA-256 %s instead of %s"
                % (payload["id"][:16], count, payload["bytes"], digest[:16], payload["sha256"][:16]),
                "do not trust this backup; check the site and make a new one",
            )
        paths[payload["id"]] = path
        digests[path] = digest
        size += count
    return paths, digests, size


def demand_space(unit, plans, path):
    """Raise NotJudgedError when the target has not enough free space for everything and policy's reserve."""
    needed = sum(plan["needed_bytes"] for plan in plans)
    free = workdir.free_bytes(path)
    if free < needed + unit["reserve_bytes"]:
        raise NotJudgedError(
            "disk",
            "%d bytes are free; the restore needs about %d and a reserve of %d" % (free, needed, unit["reserve_bytes"]),
            "give the target more space",
        )


def _fetch_into(reader, plan, work):
    plan["paths"], plan["digests"], size = fetch(reader, plan, work)
    return size


def _told(plan):
    keys = ("record", "run", "snapshot_at", "manifest_sha256")
    return dict([(key, plan[key]) for key in keys], payloads=[payload["id"] for payload in plan["payloads"]])


def _wanted(item, manifest, part):
    """Return (payload ids that are needed, bytes that the restore will take); raises RefusedError for an empty part."""
    if item["kind"] == "files":
        entries = extract.chosen(manifest.files(item["paths"]), part["files"])
        if part["files"] and not entries:
            raise RefusedError(part["files"], "no file of the backup fits", "the glob is held against absolute paths")
        return extract.payloads_needed(entries), sum(_size(line) for _path, line in entries)
    if part["table"]:
        tables.find_line(manifest.lines(), part["table"])
    return [manifest.record["payload"]["snapshot"]], _database_bytes(manifest)


def _payload(kinds, payload, record, item):
    own = record["payload"]["snapshot"] == payload
    return {
        "id": payload,
        "site_id": locate.payload_id_at_site(kinds, payload, item),
        "sha256": record["payload"]["sha256"] if own else None,  # of a parent: each file's own digest is checked
        "bytes": record["payload"]["bytes"] if own else None,
    }


def _demand_manifest(kinds, plan, item, now):
    payload = locate.unclaimed_payload(kinds, plan, now)
    if payload is not None:
        raise BadBackupError(
            item,
            "manifest missing: payload %s is newer than every manifest of the item" % payload["id"][:16],
            "repeat the sync; if that does not help, somebody removed the manifest",
        )


def _dump(reader, site_id, name, path, item):
    """Write the file `name` of a snapshot to `path` (new) and return (SHA-256, bytes)."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        return reader.dump(site_id, name, item, lambda piece: process.write_all(handle, piece))
    finally:
        os.close(handle)


def _database_bytes(manifest):
    for line in manifest.lines():
        if line.get("t") == "database":
            return int((line.get("bytes_estimate") or 0) * _DATABASE_FACTOR)
    return 0


def _size(line):
    return line.get("size") or 0 if line["k"] == "f" else 0


def _remove(path):
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
