"""Copies accepted backups to the second site and gets that site's signed receipt for them."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import os
import time

from . import probe
from .clock import stamp
from .copyplan import ids_at_site, plan_copy, proof
from .faults import FaultError, RefusedByPolicyError
from .heads import countersign
from .hostlock import HostLock
from .proven import newest_proven, tell_copies
from .receipt import harmful, strange_keys
from .records import RecordStore
from .remote import CACHE, RemoteSite
from .repository import open_local
from .resticlock import clear_dead_locks, demand_unlocked
from .retention import is_proven_at
from .rundir import make_run_folder, remove_run_folder, sweep_run_folders
from .signed import demand_about, read_signed

_NOTE = "sync"


def sync(work, permit, secrets):
    """Copy what is missing at the other site, prove it, and return (public summary, changed).

    Args:
        work: a `SyncWork`.
        permit: {"run_id", "job"}.
        secrets: {"repository-local", "repository-miyun", "miyun-append"}.

    Raises FaultError when the copy could not be made or proven; what was copied until then stays and is not copied
    again.
    """
    with HostLock(work["system"], permit):
        sweep_run_folders(work["system"])
        folder = make_run_folder(work["system"])
        copying = None
        try:
            copying = Copying(work, secrets, folder, _flags(work))
            return copying.run()
        finally:
            if copying:
                copying.remote.close()
            remove_run_folder(folder)


def preview(work, secrets):
    """Return what `sync` would copy, as its summary; asks the other site, changes nothing anywhere."""
    folder = make_run_folder(work["system"])
    copying = None
    try:
        copying = Copying(work, secrets, folder, ["--no-cache"])
        return copying.preview()
    finally:
        if copying:
            copying.remote.close()
        remove_run_folder(folder)


def _flags(work):
    limit = work["bandwidth_kib_per_second"]
    cache = os.path.join(CACHE, work["system"])
    if not os.path.isdir(cache):
        os.makedirs(cache, 0o700)
    return ["--cache-dir", cache] + (["--limit-upload=%d" % limit] if limit else [])


class Copying:
    """One sync of one system."""

    def __init__(self, work, secrets, folder, flags):
        """Open both repositories; nothing is sent yet."""
        self._work = work
        self._folder = folder
        self.store = RecordStore(work["records"])
        self.local = open_local(work, secrets)
        self.remote = RemoteSite(work["remote"], secrets, folder, flags)
        self.site = work["remote"]["site"]

    def preview(self):
        """Return the plan as the public summary."""
        self.remote.demand_reachable()
        there = self.remote.repository.snapshots_if_any()
        plan, _ = self._plan(there or [])
        told = dict(self._told(plan), repository="absent" if there is None else "present")
        return dict(told, would_probe=self._probe_is_due())

    def run(self):
        """Show the ledger's head, copy, check, prove it by the receipt, tell the site; return (summary, changed)."""
        began = time.time()
        self.remote.demand_reachable()
        head = countersign(self.remote, self._work, self._folder)
        far = self.remote.repository
        snapshots = far.snapshots_if_any()
        plan, records = self._plan(snapshots or [])
        if snapshots is None and not plan["snapshots"]:
            return _with_head(dict(self._told(plan), receipt=None), head), False
        if snapshots is None:
            far.init(self.local)
        locks = self._clear_after_killed()
        if plan["snapshots"]:
            locks += self._copy(plan["snapshots"])
            snapshots = far.snapshots()
            self._demand_whole()
        there = ids_at_site(snapshots)
        receipt, name = self._receipt()
        proven = self._prove(records, there, receipt, name)
        summary = dict(self._told(plan, proven), receipt=_short(receipt, name), locks=locks)
        newest = newest_proven(records, self._work["items"], there, receipt)
        summary["copies"] = tell_copies(self.remote, self._work, self._folder, newest, there)
        if summary["copies"]["refused"]:
            summary["verdict"] = "failed"
        summary["seconds"] = round(time.time() - began, 3)
        summary["probe"] = self._probe()
        summary["damage"] = strange_keys(receipt) + probe.told(summary["probe"])
        if summary["damage"]:
            summary["verdict"] = "failed"
        return _with_head(summary, head), bool(plan["snapshots"] or proven or locks)

    def _clear_after_killed(self):
        """Remove the local locks that a killed sync left; asking on every run would cost more than it finds.

        The other site removes there what the connection left that made it; nobody else may.
        """
        if _NOTE not in self.store.pending():
            return []
        locks = clear_dead_locks(self.local)
        self.store.settle(_NOTE)
        return locks

    def _copy(self, names):
        """Copy under a note; return the locks that had to be removed first."""
        far, locks = self.remote.repository, []
        self.store.note(_NOTE, {"kind": "sync"})
        try:
            far.copy_from(self.local, names)
        except RefusedByPolicyError:
            demand_unlocked(far)
            locks = clear_dead_locks(self.local)
            far.copy_from(self.local, names)
        self.store.settle(_NOTE)
        return locks

    def _plan(self, snapshots):
        records = self.store.load()
        here = set(snapshot["id"] for snapshot in self.local.snapshots_if_any() or [])
        return plan_copy(records, self._work["items"], self.site, here, ids_at_site(snapshots)), records

    def _demand_whole(self):
        damage = self.remote.repository.check()
        if damage:
            raise FaultError("the repository of %s is not whole after the copy: %s" % (self.site, damage[0]))

    def _receipt(self):
        """Return (verified receipt, name it is kept under); raises FaultError for damage that backups need."""
        answer = self.remote.ask("receipt")
        receipt = read_signed("receipt", answer, self._work["remote"]["receipt_public_key"], self._folder)
        demand_about("receipt", receipt, self.site, self._work["system"], time.time())
        needed, junk = harmful(receipt, self.remote.repository.indexed_packs)
        name = "%s-%s" % (self.site, receipt["time"].replace(":", ""))
        self.store.keep_receipt(name, {"answer": answer.decode("ascii"), "received": stamp()})
        if needed:
            raise FaultError(
                "site %s says that %d of its files are damaged, such as %s; let its administrator look, no copy counts "
                "as verified until then" % (self.site, len(needed), needed[0])
            )
        receipt["junk"] = junk
        return receipt, name

    def _probe_is_due(self):
        return probe.is_due(self.store.probe(self.site), self._work["probe_every_days"], time.time())

    def _probe(self):
        """Return the result of the append-only probe: of one now where it is due, else of the last one."""
        if self._probe_is_due():
            return probe.probe(self.remote, self.store, self._work["system"])
        return self.store.probe(self.site)["last"]

    def _prove(self, records, there, receipt, name):
        """Write the proof into every record that the receipt covers newly; return these records."""
        key = hashlib.sha256(self._work["remote"]["receipt_public_key"].strip().encode("ascii")).hexdigest()
        how = "receipt %s of %d files, signature verified with key %s" % (name, receipt["files"], key[:16])
        proven = []
        for record in records:
            if is_proven_at(record, self.site):
                continue
            found = proof(record, there, receipt, how)
            if found:
                record["sync"] = dict(record.get("sync") or {}, **{self.site: found})
                self.store.save(record)
                proven.append(record)
        return proven

    def _told(self, plan, proven=None):
        copied = plan["copy"]
        lines = [self._line(record, "would copy" if proven is None else "copied") for record in copied]
        more = [record for record in proven or [] if record not in copied]
        lines += [self._line(record, "verified") for record in more]
        lines += [self._line(record, "retired there") for record in plan["gone"]]
        unproven = [line["record"] for line in lines if line["status"] == "copied" and not line["verified_at"]]
        return {
            "system": self._work["system"],
            "site": self.site,
            "items": lines,
            "snapshots": len(plan["snapshots"]),
            "bytes": sum(record["payload"]["bytes"] for record in copied),
            "not_in_policy": [record["record_id"] for record in plan["other"]],
            "replaced": [record["record_id"] for record in plan["replaced"]],
            "lost": [record["record_id"] for record in plan["lost"]],
            "unproven": unproven,
            "verdict": "failed" if plan["lost"] or unproven else "passed",
        }

    def _line(self, record, status):
        found = (record.get("sync") or {}).get(self.site) or {}
        line = {"item": record["item"], "status": status, "record": record["record_id"]}
        line["bytes"] = record["payload"]["bytes"]
        line.update((key, found.get(key)) for key in ("verified_at", "how"))
        line.update(site_record=found.get("manifest"), site_payload=found.get("payload"))
        return line


def _with_head(summary, head):
    return dict(summary, head=head, verdict="failed" if head["refused"] else summary["verdict"])


def _short(receipt, name):
    names = ("time", "files", "bytes", "hashed", "listing_sha256", "junk", "keys", "quota")
    kept = dict((key, receipt.get(key)) for key in names)
    return dict(kept, name=name, snapshots=len(receipt.get("snapshots") or []))
