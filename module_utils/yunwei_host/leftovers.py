"""Clears what a killed or failed run left: only what its own notes name, never what somebody else put there."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re

from .pull import manifest_in
from .records import payloads_of
from .space import used_bytes

_UNFINISHED = re.compile(r"\A[0-9a-f]{64}-tmp-[0-9]+\Z")


def clear_notes(repository, store):
    """Finish or undo every noted step of runs that are no more; return what was done.

    A backup whose manifest was already stored whole is accepted after all; everything else of a noted run is
    forgotten, its space given back. Call it only under the host's lock.

    Returns {"adopted": [record ids], "forgotten": [snapshot ids], "space": None | what `give_back` returns}.
    """
    notes = dict((name, note) for name, note in store.pending().items() if note.get("kind") in ("pull", "retire"))
    done = {"adopted": [], "forgotten": [], "space": None}
    if not notes:
        return done
    snapshots = repository.snapshots()
    for name in sorted(notes):
        if notes[name]["kind"] == "pull" and _adopt(repository, store, notes[name], snapshots):
            done["adopted"].append(notes[name]["record"]["record_id"])
            store.settle(name)
            del notes[name]
    if notes:
        records = store.load()
        retired = half_retired(notes.values(), snapshots)
        done["forgotten"] = useless_snapshots(
            notes.values(), [record for record in records if record["record_id"] not in retired], snapshots
        )
        done["space"] = give_back(repository, done["forgotten"])
        for record_id in retired:
            store.remove(record_id)
    for name in notes:
        store.settle(name)
    return done


def half_retired(notes, snapshots):
    """Return the ids of noted records whose manifest is gone already: their retirement is brought to its end.

    A noted record whose manifest is still there is left alone; a hold may have been set since, so policy decides anew.
    """
    there = set(snapshot["id"] for snapshot in snapshots)
    noted = [record_id for note in notes if note["kind"] == "retire" for record_id in note["records"]]
    return sorted(set(noted) - there)


def useless_snapshots(notes, records, snapshots):
    """Return the ids of the snapshots that the notes of dead runs name and that none of `records` needs, sorted."""
    needed = set(name for record in records for name in payloads_of(record) + [record["record_id"]])
    there = dict((snapshot["id"], set(snapshot.get("tags") or [])) for snapshot in snapshots)
    named = set()
    for note in notes:
        if note["kind"] == "pull":
            wanted = set(["yunwei", "run:" + note["run"], "item:" + note["item"]])
            named.update(name for name in there if wanted <= there[name])
        else:
            named.update(name for name in note["payloads"] if name in there)
    return sorted(named - needed)


def give_back(repository, snapshots):
    """Forget `snapshots`, remove what nothing uses any more and return the measured space; nobody else may write.

    "hindered" says why nothing could be removed, None where it was: damage is for a verification or the next run to
    look into, and must not keep those from coming about.
    """
    before = used_bytes(repository.location)
    repository.forget(snapshots)
    hindered = repository.prune()
    remove_unfinished(repository.location)
    after = used_bytes(repository.location)
    return {"before": before, "after": after, "given_back": before - after, "hindered": hindered}


def is_hindered(space):
    """Return whether damage kept `give_back` from removing anything; `space` is what it returned, or None."""
    return bool(space and space["hindered"])


def remove_unfinished(folder):
    """Remove the files that a killed restic was writing: restic itself never looks at them again."""
    for place, _, names in os.walk(folder):
        for name in names:
            if _UNFINISHED.match(name):
                os.unlink(os.path.join(place, name))


def unknown_snapshots(records, snapshots):
    """Return the snapshots that no record names: reported, never counted, never removed."""
    known = set()
    for record in records:
        known.update(payloads_of(record) + [record["record_id"]])
    return [snapshot for snapshot in snapshots if snapshot["id"] not in known]


def _adopt(repository, store, note, snapshots):
    """Accept the noted backup if its manifest is in the repository as it was to be stored."""
    record = note.get("record")
    if not record:
        return False
    wanted = set(["yunwei", "manifest", "run:" + note["run"], "item:" + note["item"]])
    found = [snapshot["id"] for snapshot in snapshots if wanted <= set(snapshot.get("tags") or [])]
    there = set(snapshot["id"] for snapshot in snapshots)
    if len(found) != 1 or not set(payloads_of(record)) <= there:
        return False
    if manifest_in(repository, found[0], record["manifest_path"]) != (
        record["manifest_bytes"],
        record["manifest_sha256"],
    ):
        return False
    record["record_id"] = found[0]
    store.save(record)
    return True
