"""Pulls one item from its source and accepts it, or leaves nothing that looks like a backup.

Accepted means: the source's program ended well after a trailer that names the bytes it sent, restic stored them, they
were read back out of the repository with that digest and to their end, and the manifest was stored and read back too.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import subprocess
import threading
import time

from . import process
from .baseline import read_baseline, read_tables
from .clock import moment, stamp
from .faults import FaultError, NotAcceptedError
from .frames import FrameRefusedError, SourceFailedError, clean_text, read_frames
from .manifest import Listing, Spool, digest_of, document
from .readback import read_back
from .space import demand_space
from .tripwire import Changes, FileChanges, NotCompared, TableChanges, judge, stored

VERBS = {"database": "dump", "files": "files", "logs": "logs", "history": "history"}
_HEAD_KEYS = ("verb", "name", "host", "started", "source_sha256", "python")
_SPACE_LOOK_BYTES = 64 << 20
_END_SECONDS = 60


class Pull:
    """One item being pulled; `run` gives the record or raises, and every trace is under the tags of run and item."""

    def __init__(self, job, step):
        """Prepare the pull that `step` (see backup_plan.py) asks for, for `job` (see backup.py)."""
        self._job = job
        self._item = item = step["item"]
        self._baseline = step["baseline"]
        self._former = step["former"]
        self._history = step["history"]
        self._changes = Changes()
        self._note = "%s.%s" % (job.run_id, item["slug"])
        self.listing = None
        self.sent = 0
        self._new_bytes = 0

    def run(self):
        """Pull, store, read back and accept; return the record."""
        started = time.time()
        places, told = self._look_back()
        spool = Spool(os.path.join(self._job.folder, self._item["slug"] + ".lines"))
        self.listing = Listing(self._item, spool, places, self._changes)
        head, trailer, snapshot = self._take(told)
        payload = {
            "snapshot": snapshot,
            "path": self._path("payload"),
            "bytes": trailer["bytes"],
            "sha256": trailer["sha256"],
        }
        verified = read_back(self._job.repository, payload, self._item, spool.lines)
        record = self._record(payload, head, trailer, started)
        record = self._store_manifest(record, spool, verified)
        self._job.store.save(record)
        self._job.store.settle(self._note)
        return record

    def _look_back(self):
        """Prepare the comparison with the backup before; return what a baseline holds, as `read_baseline` does."""
        if self._former is None:
            return {}, b""
        try:
            if self._item["kind"] == "database":
                self._changes = TableChanges(read_tables(self._job.repository, self._former))
                return {}, b""
            places, told = read_baseline(self._job.repository, self._former)
        except FaultError as error:
            if self._baseline:
                raise
            self._changes = NotCompared(self._former, error)
            return {}, b""
        self._changes = FileChanges(places)
        return (places, told) if self._baseline else ({}, b"")

    def _path(self, what):
        return "/%s.%s" % (self._item["slug"], what)

    # -- payload ------------------------------------------------------------------------------------------------

    def _take(self, told):
        """Stream source to repository; return (head, trailer, snapshot id) when both ended well."""
        writer = self._job.repository.start_backup(
            self._job.system, self._path("payload"), tags_of("payload", self._item["item"], self._job.run_id)
        )
        source = None
        try:
            source = Source(self._job.ssh, self._item, told)
            head, trailer = self._copy(source, writer)
            source.finish()
            snapshot = writer.finish()
            self._new_bytes = writer.new_bytes
            return head, trailer, snapshot
        except (IOError, OSError) as error:
            if error.errno != errno.EPIPE:
                raise
            raise FaultError("storing ended before the source: %s" % writer.said())
        finally:
            # restic first: with its stdin closed before the signal, half a stream becomes a good-looking snapshot.
            writer.abort()
            if source:
                source.stop()

    def _copy(self, source, writer):
        head, trailer, looked = None, None, 0
        try:
            for kind, value in read_frames(source.output, self._job.limits):
                if kind == "H":
                    head = self._checked_head(value)
                elif kind == "T":
                    trailer = value
                elif kind == "M":
                    self.listing.add(value)
                elif kind == "D":
                    looked = self._look_after(looked)
                    writer.write(value)
                    self.sent += len(value)
        except FrameRefusedError as error:
            raise NotAcceptedError("the answer of %s was refused: %s%s" % (source.host, error, source.said()))
        except SourceFailedError as error:
            raise NotAcceptedError("%s could not send it: %s" % (source.host, error))
        self.listing.finish()
        return head, trailer

    def _look_after(self, looked):
        """Leave the note before the first byte enters the repository; look at the disk now and then."""
        if not self.sent:
            self._job.store.note(self._note, self._leftover())
        if self.sent and self.sent - looked < _SPACE_LOOK_BYTES:
            return looked
        demand_space(self._job.repository.location, self._job.reserve_bytes)
        return self.sent

    def _leftover(self, **more):
        return dict(more, kind="pull", run=self._job.run_id, item=self._item["item"])

    def _checked_head(self, head):
        expected = {"verb": VERBS[self._item["kind"]], "name": self._item["name"]}
        for key in sorted(expected):
            if head.get(key) != expected[key]:
                raise NotAcceptedError("the source answered with %s %s" % (key, clean_text(head.get(key))))
        kept = dict((key, clean_text(head.get(key))[:200]) for key in _HEAD_KEYS)
        # The source's clock is only its own; ages are counted by ours.
        kept["received"] = stamp()
        try:
            kept["clock_skew_seconds"] = moment(kept["started"]) - moment(kept["received"])
        except ValueError:
            kept["clock_skew_seconds"] = None
        return kept

    # -- manifest -----------------------------------------------------------------------------------------------

    def _record(self, payload, head, trailer, started):
        found = self._stored(payload)
        return {
            "t": "record",
            "format": 1,
            "system": self._job.system,
            "item": self._item["item"],
            "kind": self._item["kind"],
            "source_host": self._item["source_host"],
            "run": self._job.run_id,
            "payload": payload,
            "parents": self.listing.parents,
            "baseline": self._baseline["record_id"] if self._baseline else None,
            "started": stamp(started),
            "finished": stamp(),
            "snapshot_at": head["received"],
            "producer": head,
            "source_manifest_sha256": trailer["manifest_sha256"],
            "counts": self.listing.summary,
            "stored": found,
            "tripwire": judge(self._changes, found, self._history, self._former, self._job.work["tripwire"]),
        }

    def _stored(self, payload):
        """Hold what was new in the repository against the whole item, and the backup before where that is fair."""
        if self._item["kind"] in ("database", "history"):
            return stored(self._new_bytes, payload["bytes"], self._former)
        return stored(self._new_bytes, self.listing.summary.get("bytes", 0), self._baseline)

    def _store_manifest(self, record, spool, verified):
        """Store the document, read it back and return the record as it is kept; the note says what must be there."""
        repository, snapshot = self._job.repository, record["payload"]["snapshot"]
        size, digest = digest_of(document(record, spool, snapshot))
        kept = dict(record, manifest_sha256=digest, manifest_bytes=size, manifest_path=self._path("manifest"))
        kept.update(verified=dict(verified, at=stamp()), accepted_at=stamp(), sync=None)
        self._job.store.note(self._note, self._leftover(record=kept))
        writer = repository.start_backup(
            self._job.system, self._path("manifest"), tags_of("manifest", self._item["item"], self._job.run_id)
        )
        try:
            for piece in _gathered(document(record, spool, snapshot)):
                writer.write(piece)
            kept["record_id"] = writer.finish()
        finally:
            writer.abort()
        if manifest_in(repository, kept["record_id"], kept["manifest_path"]) != (size, digest):
            raise NotAcceptedError("the manifest reads back from the repository as another one")
        return kept


def tags_of(what, item, run):
    """Return the tags of the snapshot `what` (`payload` or `manifest`) that `run` makes of `item`."""
    return ["yunwei", what, "item:" + item, "run:" + run]


class Source:
    """The source host's forced command, running."""

    def __init__(self, ssh, item, told):
        """Start it; `told` is the compressed baseline for a file set."""
        self.host = item["source_host"]
        words = [VERBS[item["kind"]], item["name"]]
        self._child = process.start(
            ssh.command(item["source_host"], " ".join(words)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._err = process.Tail(self._child.stderr)
        self.output = self._child.stdout.fileno()
        self._feeder = threading.Thread(target=process.give, args=(self._child, told))
        self._feeder.daemon = True
        self._feeder.start()

    def finish(self):
        """Raise NotAcceptedError unless the command ended with 0 by itself, after its trailer."""
        code = process.wait(self._child, _END_SECONDS)
        if code != 0:
            raise NotAcceptedError("the program on %s ended with %s%s" % (self.host, code, self.said()))

    def said(self):
        """Return what ssh said, as the end of a message."""
        text = self._err.text(2)
        return " (ssh: %s)" % text if text else ""

    def stop(self):
        """End the connection, and with it the program at its other end."""
        process.stop(self._child)
        self._feeder.join(5)
        self._child.stdout.close()


def manifest_in(repository, snapshot, path):
    """Return (bytes, SHA-256) of a stored manifest."""
    dump = repository.open_dump(snapshot, path)
    try:
        return dump.finish()
    finally:
        dump.abort()


def _gathered(lines, size=1 << 18):
    """Yield the bytes of `lines` in larger pieces: a write for each line would cost more than the line."""
    kept, count = [], 0
    for line in lines:
        kept.append(line)
        count += len(line)
        if count >= size:
            yield b"".join(kept)
            kept, count = [], 0
    yield b"".join(kept)
