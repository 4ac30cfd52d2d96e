"""Compares a restored tree with the manifest of its file set: every entry, every attribute, every byte."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import os
import stat

from . import tree as trees
from .extract import time_of
from .hosttools import names
from .tally import Tally

_BLOCK = 1 << 20
_KINDS = {
    stat.S_IFREG: "f",
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "l",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFCHR: "c",
    stat.S_IFBLK: "b",
}


def compare(entries, root, tops, complete=True):
    """Return a Tally of `entries` ([(path, line)]) against what lies below `root`.

    `complete`: also an entry below `tops` (paths as bytes) that the manifest does not name is a difference.
    """
    tally, tree = Tally(), trees.Tree(root)
    try:
        first_names = {}
        for path, line in entries:
            found = tree.lstat(path)
            wanted, got = _facts(line), None
            if found is not None:
                wanted, got = _differing(wanted, _found(tree, path, found, line, first_names))
            tally.compare(line["p"], wanted, got)
            tally.add("bytes", line.get("size") or 0 if line["k"] == "f" else 0)
        if complete:
            _find_extra(tally, tree, set(path for path, _line in entries), tops)
    finally:
        tree.close()
    return tally


def _facts(line):
    kind = line["k"]
    facts = {"kind": "f" if kind == "h" else kind}
    if kind == "h":
        facts["same file as"] = line["target"]
        return facts
    facts.update(uid=line["uid"], gid=line["gid"], mtime=time_of(line))
    if kind != "l":
        facts["mode"] = "%04o" % stat.S_IMODE(line["mode"])
    if kind == "l":
        facts["target"] = line["target"]
    if kind == "f":
        facts.update(size=line["size"], sha256=line["sha256"])
    return facts


def _found(tree, path, found, line, first_names):
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "?")
    facts = {"kind": kind, "uid": found.st_uid, "gid": found.st_gid, "mtime": trees.modified(found)}
    if _rounded(facts["mtime"], time_of(line)):
        facts["mtime"] = time_of(line)
    if kind != "l":
        facts["mode"] = "%04o" % stat.S_IMODE(found.st_mode)
    if kind == "l":
        facts["target"] = names.encode_name(os.readlink(tree.at(path)))
    if kind == "f":
        facts["size"] = found.st_size
        if line["k"] == "f":
            facts["sha256"] = _digest(tree, path)
            first_names.setdefault((found.st_dev, found.st_ino), line["p"])
        facts["same file as"] = first_names.get((found.st_dev, found.st_ino))
    return facts


def _rounded(found, wanted):
    """Return whether two times differ only by what Python 2's floating point numbers lose (a microsecond)."""
    return found % 1000 == 0 and abs(found - wanted) < 1000


def _differing(wanted, got):
    """Return (expected, found) with only the keys that differ; equal when nothing does."""
    keys = [key for key in sorted(wanted) if wanted[key] != got.get(key)]
    return dict((key, wanted[key]) for key in keys), dict((key, got.get(key)) for key in keys)


def _digest(tree, path):
    digest, handle = hashlib.sha256(), tree.open_file(path)
    try:
        while True:
            block = os.read(handle, _BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)
    finally:
        os.close(handle)


def _find_extra(tally, tree, known, tops):
    for top in tops:
        for path, _found_there in tree.walk(top):
            if path not in known:
                tally.differs(names.encode_name(path), None, {"kind": "not in the manifest"}, was_expected=False)
