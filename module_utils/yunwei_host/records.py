"""The accepted-backup records of one system, and the notes that let the next run clear up after a killed one.

A record is a JSON file named after the manifest's snapshot. Retention and sync count records only: a snapshot without
one is nothing that this library accepted. A note in `pending/` is written before anything enters the repository, so
that leftovers of a dead run are known from anybody else's snapshots.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import re

from .faults import FaultError
from .jsonfile import read_json, write_json

_NAME = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]*\.json\Z")
_KEYS = ("record_id", "item", "kind", "payload", "parents", "started", "accepted_at", "manifest_sha256")


class RecordStore:
    """The folder of records; nothing is created before something is written."""

    def __init__(self, folder):
        """Remember the folder: an absolute path on the backup server (or at the second site)."""
        self.folder = folder
        self.pending_folder = os.path.join(folder, "pending")
        self.receipts_folder = os.path.join(folder, "receipts")
        self.usage_folder = os.path.join(folder, "usage")
        self.probes_folder = os.path.join(folder, "probes")
        self.reads_folder = os.path.join(folder, "reads")
        self.rejected_folder = os.path.join(folder, "rejected")

    def load(self):
        """Return all records, oldest first; raises FaultError for a file that is no record."""
        found = [self._read(name) for name in _names(self.folder)]
        return sorted(found, key=lambda record: (record["accepted_at"], record["record_id"]))

    def save(self, record):
        """Write `record` (dict with "record_id") so that it is there whole or not at all."""
        write_json(self.folder, record["record_id"] + ".json", record)

    def remove(self, record_id):
        """Remove the record; one that is gone already is no error."""
        _remove(os.path.join(self.folder, record_id + ".json"))

    def pending(self):
        """Return the notes of runs that did not clear up after themselves: {name: note}."""
        return dict((name[:-5], read_json(self.pending_folder, name)) for name in _names(self.pending_folder))

    def note(self, name, note):
        """Write the note `name` (run and item, or run and job) before the step that it describes."""
        write_json(self.pending_folder, name + ".json", note)

    def settle(self, name):
        """Remove the note: its step is done or undone."""
        _remove(os.path.join(self.pending_folder, name + ".json"))

    def keep_receipt(self, name, receipt):
        """Keep a receipt of the second site whole, as it was signed."""
        write_json(self.receipts_folder, name + ".json", receipt)

    def usage(self):
        """Return what was seen of the disk: [[seconds since 1970, used bytes]]."""
        return [
            sample for name in _names(self.usage_folder) for sample in read_json(self.usage_folder, name)["samples"]
        ]

    def keep_usage(self, samples):
        """Keep what was seen of the disk."""
        write_json(self.usage_folder, "disk.json", {"samples": samples})

    def probe(self, site):
        """Return what is remembered of the append-only probe at a site, {} before the first one."""
        name = site + ".json"
        return read_json(self.probes_folder, name) if name in _names(self.probes_folder) else {}

    def keep_probe(self, site, state):
        """Remember the append-only probe at a site."""
        write_json(self.probes_folder, site + ".json", state)

    def reads(self, site):
        """Return when which part of a site's repository was last read back: {"n/t" or "all": time}."""
        name = site + ".json"
        return read_json(self.reads_folder, name) if name in _names(self.reads_folder) else {}

    def keep_reads(self, site, reads):
        """Remember when which part of a site's repository was last read back."""
        write_json(self.reads_folder, site + ".json", reads)

    def rejected(self):
        """Return what is remembered of snapshots that no record names: {id: {"first_seen", "why", ...}}."""
        return dict((name[:-5], read_json(self.rejected_folder, name)) for name in _names(self.rejected_folder))

    def keep_rejected(self, found):
        """Remember such a snapshot (dict with "snapshot"); also after it is gone, with when that was."""
        write_json(self.rejected_folder, found["snapshot"] + ".json", found)

    def _read(self, name):
        record = read_json(self.folder, name)
        missing = [key for key in _KEYS if key not in record]
        if missing or record["record_id"] + ".json" != name:
            where = os.path.join(self.folder, name)
            raise FaultError("record %s is damaged (%s); restore it or move it away" % (where, ", ".join(missing)))
        return record


def payloads_of(record):
    """Return every payload snapshot that a full restore of `record` needs, its own first."""
    return [record["payload"]["snapshot"]] + list(record["parents"])


def is_named(record, prefix):
    """Return whether `prefix` begins the record's id, here or, at the second site, in its first life."""
    names = (record["record_id"], record.get("first_id") or "")
    return bool(prefix) and bool([name for name in names if name.startswith(prefix)])


def _names(folder):
    try:
        return sorted(name for name in os.listdir(folder) if _NAME.match(name))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return []
        raise


def _remove(path):
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
