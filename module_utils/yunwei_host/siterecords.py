"""The second site's own records: learned from the manifests that lie there, because nothing of the first is trusted.

A manifest names the snapshots of the first site; restic keeps those ids as `original` when it copies. Here every id is
turned into this site's own.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import os

from .clock import moment, stamp
from .faults import FaultError
from .frames import FrameRefusedError, parse_object
from .probe import is_probe
from .records import payloads_of
from .tripwire import learned

_TOLERANCE_SECONDS = 600
_FIRST_LINE_LIMIT = 1 << 16
_BACK_DATED = "it says that it is no newer than one of its item that came here before it"


def learn_records(work, repository, store, snapshots, learn):
    """Return (records with this site's ids, [{"snapshot", "why"}] that were put aside and never count).

    A record that was put aside for its time alone is among the records all the same, with "doubt": what it needs stays.

    Args:
        work: {"system"}.
        repository: the site's repository on this host.
        store: where what was learned is kept, because a manifest never changes.
        snapshots: all snapshots of the repository.
        learn: False leaves the store as it is.
    """
    known = dict((record["record_id"], record) for record in store.load())
    here = dict((snapshot.get("original") or snapshot["id"], snapshot["id"]) for snapshot in snapshots)
    records, aside, accepted, described = [], [], [], set()
    manifests = [snapshot for snapshot in snapshots if "manifest" in (snapshot.get("tags") or [])]
    for snapshot in sorted(manifests, key=lambda one: (one["id"] not in known, _arrived(repository, one), one["id"])):
        try:
            record = known.get(snapshot["id"]) or _learn(work, repository, snapshot, here)
            _demand_first(record, described)
        except (FaultError, FrameRefusedError, ValueError, KeyError, TypeError) as error:
            aside.append({"snapshot": snapshot["id"], "why": "%s" % error})
            continue
        records.append(record)
        one = (record, _arrived(repository, snapshot))
        if snapshot["id"] not in known and _is_back_dated(one, accepted):
            record["doubt"] = _BACK_DATED
            aside.append({"snapshot": snapshot["id"], "why": _BACK_DATED})
            continue
        accepted.append(one)
        described.add(record["payload"]["snapshot"])
        if learn and snapshot["id"] not in known:
            store.save(record)
    tried = sorted((one for one in snapshots if is_probe(one)), key=lambda one: _arrived(repository, one))[:1]
    needed = set(name for record, _ in accepted for name in payloads_of(record) + [record["record_id"]])
    told = set([line["snapshot"] for line in aside] + [one["id"] for one in tried])
    for snapshot in snapshots:
        if snapshot["id"] not in needed | told:
            aside.append({"snapshot": snapshot["id"], "why": "no accepted manifest names it"})
    return records, aside


def _demand_first(record, described):
    """Raise FaultError for a manifest of a payload that has one: stored once more it would count as one more backup."""
    if record["payload"]["snapshot"] in described:
        raise FaultError("another manifest of its payload came before it")


def _is_back_dated(one, accepted):
    """Return whether a record claims to be no newer than one of its item that came here before it.

    A sync copies the oldest first, so only what was made up afterwards does: it would take the place of a true backup
    in its day, week or month. What came in the same moment came in no order.
    """
    record, arrived = one
    before = [other for other in accepted if other[0]["item"] == record["item"] and other[1] < arrived]
    return bool([other for other in before if _made(*other) >= _made(record, arrived)])


def _made(record, arrived):
    """Return when it was made: as it says, but not after it came here, for the first site's clock may be fast."""
    return min(moment(record["finished"]), arrived)


def _arrived(repository, snapshot):
    """Return when the snapshot came here, by this host's own clock; who may only append cannot change that."""
    return os.stat(os.path.join(repository.location, "snapshots", snapshot["id"])).st_mtime


def _learn(work, repository, snapshot, here):
    item = dict(tag.split(":", 1) for tag in snapshot["tags"] if ":" in tag).get("item", "")
    path = "/%s.manifest" % item.replace(":", "-", 1)
    if snapshot.get("hostname") != work["system"] or snapshot.get("paths") != [path]:
        raise FaultError("its host or path is not one of ours")
    first, size, digest = _read(repository, snapshot["id"], path)
    record = parse_object(first, "the first line of its manifest")
    if record.get("t") != "record" or record.get("system") != work["system"] or record.get("item") != item:
        raise FaultError("its manifest is of another system or item")
    arrived = _arrived(repository, snapshot)
    if moment(record["finished"]) > arrived + _TOLERANCE_SECONDS:
        raise FaultError("it says that it was made after it came here")
    missing = [name for name in payloads_of(record) if name not in here]
    if missing:
        raise FaultError("its payload %s is not here" % missing[0][:16])
    record.update(record_id=snapshot["id"], first_id=snapshot.get("original") or snapshot["id"])
    # The first site may make this one keep more, never less.
    record["tripwire"] = learned(record.get("tripwire"))
    record.update(manifest_sha256=digest, manifest_bytes=size, accepted_at=stamp(_made(record, arrived)))
    record["parents"] = [here[name] for name in record["parents"]]
    record["payload"] = dict(record["payload"], snapshot=here[record["payload"]["snapshot"]])
    return record


def _read(repository, snapshot, path):
    """Return (first line, bytes, SHA-256) of a stored manifest."""
    dump = repository.open_dump(snapshot, path)
    try:
        digest, size, first = hashlib.sha256(), 0, b""
        piece = dump.read()
        while piece:
            digest.update(piece)
            size += len(piece)
            if b"\n" not in first:
                first += piece[:_FIRST_LINE_LIMIT]
            if len(first) > 2 * _FIRST_LINE_LIMIT and b"\n" not in first:
                raise FaultError("its manifest does not begin with a record")
            piece = dump.read()
        dump.finish()
    finally:
        dump.abort()
    return first.split(b"\n", 1)[0], size, digest.hexdigest()
