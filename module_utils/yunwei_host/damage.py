"""Damage in this site's repository: the backups that it hits, and how the repository is made fit to build on again.

A verification marks and notes; the next back-up or retirement mends before it does anything else.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re

from .clock import stamp
from .faults import ProgramFailedError
from .manifest import digest_of
from .records import payloads_of

_NOTE = "damage"
_PACK = re.compile(r"\b(?:want|pack) ([0-9a-f]{64})\b")
_NAMED_BY_CONTENT = ("index", "snapshots")  # small enough to be hashed each time


def packs_in(lines):
    """Return the packs that lines of a check name, sorted."""
    return sorted(set(name for line in lines for name in _PACK.findall(line)))


def can_read_on(lines):
    """Return whether a check that found these lines went on to the data: without an index it cannot."""
    return not [line for line in lines if "LoadIndex" in line]


def note_damage(store, packs=()):
    """Let the next back-up or retirement mend the repository; `packs` are those known to be damaged or gone."""
    known = store.pending().get(_NOTE) or {"packs": []}
    store.note(_NOTE, {"kind": "damage", "packs": sorted(set(known["packs"]) | set(packs))})


def hit_snapshots(repository, packs, ids):
    """Return which of the snapshots `ids` use one of `packs`, as far as can be told before the repository is mended."""
    if not packs:
        return []
    try:
        short = tuple(repository.snapshots_of_packs(packs))
        return [name for name in ids if name.startswith(short)] if short else []
    except ProgramFailedError:  # the list of what is in a pack is damaged itself
        return _broken(repository, ids)


def records_of(store, snapshots):
    """Return the records that need one of `snapshots`."""
    return [record for record in store.load() if set(snapshots) & set(_needs(record))]


def mark(store, snapshots, packs):
    """Mark the records that need one of `snapshots` and return their ids: they count no more, so they are due again."""
    marked = records_of(store, snapshots)
    for record in marked:
        record["damaged"] = {"at": stamp(), "packs": packs}
        store.save(record)
    return [record["record_id"] for record in marked]


def mend(repository, store):
    """Make a repository whose damage was noted fit to build on; call it only under the host's lock, without locks left.

    Returns None where nothing was noted, else {"aside": [names of files], "marked": [record ids]}. Files that are not
    what their names say are moved to a folder beside the repository, for a person to look at; the index is made anew
    from what is left, because a new backup stores nothing that the index believes to be there; and the backups that
    are not whole then are marked.
    """
    note = store.pending().get(_NOTE)
    if note is None:
        return None
    folder = repository.location
    suspects = [os.path.join(folder, "data", pack[:2], pack) for pack in note["packs"]]
    for kind in _NAMED_BY_CONTENT:
        suspects += [os.path.join(folder, kind, name) for name in sorted(os.listdir(os.path.join(folder, kind)))]
    aside = [os.path.basename(path) for path in suspects if _set_aside(folder, path)]
    repository.rebuild_index()
    good = set(name for record in store.load() if not record.get("damaged") for name in _needs(record))
    there = [snapshot["id"] for snapshot in repository.snapshots() if snapshot["id"] in good]
    marked = mark(store, _broken(repository, there), note["packs"])
    store.settle(_NOTE)
    return {"aside": aside, "marked": marked}


def _needs(record):
    return payloads_of(record) + [record["record_id"]]


def _broken(repository, ids):
    """Return which of the snapshots `ids` are not whole; asked one by one only where not all of them are."""
    if not ids or repository.are_whole(ids):
        return []
    return [name for name in ids if not repository.are_whole([name])]


def _set_aside(folder, path):
    target = os.path.join(os.path.dirname(folder), "damaged")
    if not os.path.isfile(path) or digest_of(_pieces(path))[1] == os.path.basename(path):
        return False
    if not os.path.isdir(target):
        os.mkdir(target, 0o700)
    os.rename(path, os.path.join(target, os.path.basename(path)))
    return True


def _pieces(path):
    with open(path, "rb") as stream:
        piece = stream.read(1 << 20)
        while piece:
            yield piece
            piece = stream.read(1 << 20)
