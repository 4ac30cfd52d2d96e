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
from .records import RecordStore, payloads_of
from .remote import CACHE
from .repository import clear_dead_locks, demand_unlocked, open_local
from .retention import is_proven_at
from .rundir import make_run_folder, remove_run_folder, sweep_run_folders
from .signed import demand_about, read_signed
from .target import open_target

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
                copying.target.close()
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
            copying.target.close()
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
        self.target = open_target(work, secrets, folder, flags)
        self.site = work["remote"]["site"]

    def preview(self):
        """Return the plan as the public summary."""
        self.target.demand_ready()
        there = self.target.repository.snapshots_if_any()
        plan, _ = self._plan(there or [])
        told = dict(self._told(plan), repository="absent" if there is None else "present")
        return dict(told, would_probe=self._probe_is_due())

    def run(self):
        """Show the ledger's head, copy, check, prove it by the receipt, tell the site; return (summary, changed)."""
        began = time.time()
        self.target.demand_ready()
        head = countersign(self.target, self._work, self._folder)
        far = self.target.repository
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
            self.target.demand_whole()
        there = ids_at_site(snapshots)
        receipt, name, awaited = self._receipt_of(self._whole_there(records, there), there)
        if awaited:
            records = [record for record in records if is_proven_at(record, self.site)]
        proven = self._prove(records, there, receipt, name)
        summary = dict(self._told(plan, proven, awaited), receipt=_short(receipt, name), locks=locks)
        newest = newest_proven(records, self._work["items"], there, receipt)
        summary["copies"] = tell_copies(self.target, self._work, self._folder, newest, there)
        if summary["copies"]["refused"]:
            summary["verdict"] = "failed"
        summary["seconds"] = round(time.time() - began, 3)
        summary["probe"] = self._probe()
        summary["damage"] = strange_keys(receipt) + (probe.told(summary["probe"]) if summary["probe"] else [])
        if summary["damage"]:
            summary["verdict"] = "failed"
        return _with_head(summary, head), bool(plan["snapshots"] or proven or locks)

    def _clear_after_killed(self):
        """Remove the locks that a killed sync left on this host; asking on every run would cost more than it finds.

        The other site removes there what the connection left that made it; nobody else may.
        """
        if _NOTE not in self.store.pending():
            return []
        locks = clear_dead_locks(self.local) + self.target.clear_dead_locks()
        self.store.settle(_NOTE)
        return locks

    def _copy(self, names):
        """Copy under a note; return the locks that had to be removed first."""
        far, locks = self.target.repository, []
        self.store.note(_NOTE, {"kind": "sync"})
        try:
            far.copy_from(self.local, names)
        except RefusedByPolicyError:
            locks = self.target.clear_dead_locks()
            demand_unlocked(far)
            locks += clear_dead_locks(self.local)
            far.copy_from(self.local, names)
        self.store.settle(_NOTE)
        return locks

    def _plan(self, snapshots):
        records = self.store.load()
        here = set(snapshot["id"] for snapshot in self.local.snapshots_if_any() or [])
        return plan_copy(records, self._work["items"], self.site, here, ids_at_site(snapshots)), records

    def _whole_there(self, records, there):
        """Return the good records of policy's items that were written wholly, oldest first."""
        good = [record for record in records if record["item"] in self._work["items"] and not record.get("damaged")]
        return [record for record in good if set(payloads_of(record) + [record["record_id"]]) <= set(there)]

    def _receipt_of(self, written, there):
        """Return (verified receipt, its name, why records still wait, if they do), after the wait that policy allows.

        Raises FaultError for damage that backups need, and where copies that were proven once are whole no more.
        """
        began = time.time()
        ids = [there[name] for record in written for name in payloads_of(record) + [record["record_id"]]]
        while True:
            receipt, name, damage = self._receipt()
            awaited = damage or self.target.not_there_yet(ids, receipt)
            if not awaited or not self.target.is_worth_waiting(began):
                break
        if damage:
            raise FaultError(damage)
        if awaited and all(is_proven_at(record, self.site) for record in written):
            raise FaultError("what was proven at site %s is whole no more: %s" % (self.site, awaited))
        return receipt, name, awaited

    def _receipt(self):
        """Return (verified receipt, name it is kept under, what it says of damage that backups need)."""
        answer = self.target.ask("receipt")
        receipt = read_signed("receipt", answer, self._work["remote"]["receipt_public_key"], self._folder)
        demand_about("receipt", receipt, self.site, self._work["system"], time.time())
        self.target.demand_place(receipt)
        needed, junk = harmful(receipt, self.target.repository.indexed_packs)
        name = "%s-%s" % (self.site, receipt["time"].replace(":", ""))
        self.store.keep_receipt(name, {"answer": answer.decode("ascii"), "received": stamp()})
        receipt["junk"] = junk
        return receipt, name, self._told_damage(needed) if needed else ""

    def _told_damage(self, needed):
        return (
            "site %s says that %d of its files are damaged, such as %s; let its administrator look, no copy counts "
            "as verified until then" % (self.site, len(needed), needed[0])
        )

    def _probe_is_due(self):
        return self.target.may_probe and probe.is_due(
            self.store.probe(self.site), self._work["probe_every_days"], time.time()
        )

    def _probe(self):
        """Return the result of the append-only probe: of one now where it is due, else of the last one."""
        if self._probe_is_due():
            return probe.probe(self.target.door, self.store, self._work["system"])
        return self.store.probe(self.site)["last"] if self.target.may_probe else None

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

    def _told(self, plan, proven=None, awaited=None):
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
            "awaited": awaited or None,
            "verdict": _verdict(plan["lost"] or (unproven and not awaited), awaited),
        }

    def _line(self, record, status):
        found = (record.get("sync") or {}).get(self.site) or {}
        line = {"item": record["item"], "status": status, "record": record["record_id"]}
        line["bytes"] = record["payload"]["bytes"]
        line.update((key, found.get(key)) for key in ("verified_at", "how"))
        line.update(site_record=found.get("manifest"), site_payload=found.get("payload"))
        return line


def _verdict(failed, awaited):
    return "failed" if failed else "could not judge" if awaited else "passed"


def _with_head(summary, head):
    return dict(summary, head=head, verdict="failed" if head["refused"] else summary["verdict"])


def _short(receipt, name):
    names = ("time", "files", "bytes", "hashed", "listing_sha256", "junk", "keys", "quota")
    kept = dict((key, receipt.get(key)) for key in names)
    return dict(kept, name=name, snapshots=len(receipt.get("snapshots") or []))
