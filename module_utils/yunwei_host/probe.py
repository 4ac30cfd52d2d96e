"""Tries at the second site what nobody from here may do there, with the real key, and stops at the first success.

What it tries is aimed at a snapshot made for it, or changes nothing that anybody needs: a pack of that snapshot, a lock
and a key that do not exist, a second copy of a key that is there.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii
import hashlib
import os
import time

from .clock import moment, stamp
from .faults import FaultError
from .rawrequest import ask

TAGS = ["yunwei", "probe"]
_DAY = 86400
# A sync that begins a little earlier than that of the day before is as good as one a day later.
_EARLY_SECONDS = 3600
_TEXT = "This snapshot exists to be tried: nothing from the first site may remove or change it. %s\n"


def is_probe(snapshot):
    """Return whether a snapshot says that it was made to be tried."""
    return sorted(snapshot.get("tags") or []) == sorted(TAGS)


def is_due(state, every_days, now):
    """Return whether the last trial is so many days old; `state` is what the record store kept, or {}."""
    last = (state.get("last") or {}).get("at")
    return not last or now - moment(last) > every_days * _DAY - _EARLY_SECONDS


def probe(remote, store, system):
    """Try everything once, keep the result and return it: {"at", "snapshot", "refused", "tries", "fault"}.

    Args:
        remote: the open `RemoteSite`, with the key that appends.
        store: the `RecordStore`, which remembers the snapshot.
        system: the system's id.

    `refused` is True when all was refused. Raises FaultError when the site cannot be asked.
    """
    state, fault = store.probe(remote.site), None
    there = [snapshot["id"] for snapshot in remote.repository.snapshots()]
    if state.get("snapshot") and state["snapshot"] not in there:
        fault = "its snapshot %s of %s is gone" % (state["snapshot"][:12], state["made"])
    if state.get("snapshot") not in there:
        state = _make(remote.repository, system)
    tries = _tried(remote, state)
    last = {"at": stamp(), "snapshot": state["snapshot"], "tries": tries, "fault": fault}
    last["refused"] = fault is None and all(one["refused"] for one in tries)
    store.keep_probe(remote.site, dict(state, last=last))
    return last


def told(last):
    """Return what a person must read about a trial, as lines; none when all was refused."""
    said = ["the append-only probe: %s" % last["fault"]] if last["fault"] else []
    return said + [
        "the append-only probe: %s was NOT refused there (%s); stop copying and let that site's administrator look"
        % (one["what"], one["said"])
        for one in last["tries"]
        if not one["refused"]
    ]


def _make(repository, system):
    """Store the snapshot that is tried, once; return what is remembered of it."""
    before = set(repository.names_of("packs"))
    text = _TEXT % binascii.hexlify(os.urandom(16)).decode("ascii")
    repository.store(system, "/probe", TAGS, text.encode("ascii"))
    packs = sorted(set(repository.names_of("packs")) - before)
    made = [snapshot["id"] for snapshot in repository.snapshots() if is_probe(snapshot)]
    if not made or not packs:
        raise FaultError("the snapshot for the append-only probe was stored and is not there")
    return {"snapshot": made[-1], "packs": packs, "made": stamp(time.time())}


def _tried(remote, state):
    command = remote.protocol()
    tries = []
    for what, method, path, content in _trials(remote.repository, state):
        how, said = ask(command, method, path, content)
        tries.append({"what": what, "refused": how == "refused", "said": said[:300]})
        if how != "refused":
            break
    return tries


def _trials(repository, state):
    """Return what is tried: (name, method, path, content)."""
    nothing = binascii.hexlify(os.urandom(32)).decode("ascii")
    key = repository.key_file()
    return [
        ("delete", "DELETE", "/snapshots/%s" % state["snapshot"], None),
        ("overwrite", "POST", "/data/%s" % state["packs"][0], b"overwritten"),
        ("prune", "DELETE", "/data/%s" % state["packs"][0], None),
        ("unlock", "DELETE", "/locks/%s" % nothing, None),
        ("add a key", "POST", "/keys/%s" % hashlib.sha256(key).hexdigest(), key),
        ("remove a key", "DELETE", "/keys/%s" % nothing, None),
    ]
