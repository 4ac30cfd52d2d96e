"""Puts the entries of a file set back from its payloads, as the manifest says and below one root only.

Three passes: folders, links and special files from the manifest alone; the bytes of regular files from the tar streams
that hold them; at the end owners, modes and times, deepest first, because every pass before changes the folders' times.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fnmatch
import os
import stat

from . import tarstream
from . import tree as trees
from .errors import BadBackupError, NotJudgedError
from .hosttools import names, process

_DEVICES = {"p": stat.S_IFIFO, "s": stat.S_IFSOCK, "c": stat.S_IFCHR, "b": stat.S_IFBLK}


def chosen(entries, pattern=None):
    """Return the list of (path, line) of `entries` that fit the glob `pattern` (text over absolute paths) or all.

    A pattern that fits a folder takes what is below it, too.
    """
    entries = list(entries)
    if pattern is None:
        return entries
    wanted = pattern.encode("utf-8").rstrip(b"/")
    # Text of one character a byte: the same matching on Python 2 and 3, exact for names that are not UTF-8.
    fits = [wanted.decode("latin-1"), (wanted + b"/*").decode("latin-1")]
    found = [
        (path, line)
        for path, line in entries
        if [one for one in fits if fnmatch.fnmatchcase(path.decode("latin-1"), one)]
    ]
    return _with_content(found, entries)


def _with_content(found, entries):
    """Return `found` with each hard link whose first name was not chosen turned into a file of its own."""
    taken = {}
    firsts = dict((line["p"], line) for _path, line in entries if line["k"] == "f")
    whole = []
    for path, line in found:
        first = line.get("target") if line["k"] == "h" else line["p"]
        if line["k"] == "h" and first in taken:
            whole.append((path, dict(line, target=taken[first])))
            continue
        if line["k"] == "h":
            whole.append((path, dict(firsts.get(first, line), p=line["p"], content=first)))
        else:
            whole.append((path, line))
        taken[first] = line["p"]
    return whole


def payloads_needed(entries):
    """Return the payload snapshot ids that hold the bytes of `entries`, in the order of their first use."""
    needed = []
    for _path, line in entries:
        if line["k"] == "f" and line.get("in") not in needed:
            needed.append(line.get("in"))
    return needed


def extract(entries, payloads, root, item):
    """Put `entries` ([(path, line)]) below `root` (absolute path) and return the bytes of content written.

    `payloads` maps payload snapshot ids to files on this host. Raises BadBackupError for content that is not in its
    payload, NotJudgedError when the disk is full or an entry is in the way.
    """
    tree = trees.Tree(root)
    try:
        _make_entries(tree, entries)
        written = 0
        for payload in payloads_needed(entries):
            written += _extract_payload(tree, entries, payload, payloads, item)
        _make_hard_links(tree, entries)
        for path, line in reversed(entries):
            _set_attributes(tree, path, line)
        return written
    except (OSError, IOError) as error:
        raise NotJudgedError(item, "writing below %s failed: %s" % (root, os.strerror(error.errno or 0)), _next(error))
    finally:
        tree.close()


def time_of(line):
    """Return the modification time of a manifest line in nanoseconds.

    Python 3 sources write "<seconds>.<9 digits>" with the seconds rounded down; Python 2 writes a float's repr.
    """
    text = str(line["mtime"])
    whole, _dot, fraction = text.partition(".")
    if whole.lstrip("-").isdigit() and fraction.isdigit() and (len(fraction) == 9 or not text.startswith("-")):
        return int(whole) * 1000000000 + int((fraction + "000000000")[:9])
    return int(round(float(text) * 1000000)) * 1000


def _make_entries(tree, entries):
    for path, line in entries:
        kind = line["k"]
        if kind == "d":
            _make_folder(tree, path)
        elif kind == "l":
            os.symlink(names.decode_name(line["target"]), tree.at(path, create=True))
        elif kind in _DEVICES:
            _make_special(tree, path, line)


def _make_folder(tree, path):
    try:
        os.mkdir(tree.at(path, create=True), 0o700)
    except OSError as error:
        # A parent may have been made on the way to its first child.
        if error.errno != errno.EEXIST or not stat.S_ISDIR(tree.lstat(path).st_mode):
            raise


def _make_special(tree, path, line):
    try:
        os.mknod(tree.at(path, create=True), _DEVICES[line["k"]] | 0o600, 0)
    except OSError as error:
        if error.errno != errno.EPERM or line["k"] not in "cb":
            raise
        # A container may not make devices; verification names the entry as missing.


def _extract_payload(tree, entries, payload, payloads, item):
    ours = [(path, line) for path, line in entries if line["k"] == "f" and line.get("in") == payload]
    wanted = dict((names.decode_absolute_path(line.get("content", line["p"]))[1:], path) for path, line in ours)
    if payload not in payloads:
        raise BadBackupError(item, "payload %s was not fetched" % str(payload)[:16], "start again")
    written = 0
    try:
        with open(payloads[payload], "rb") as stream:
            archive = tarstream.TarStream(stream)
            for name in archive.files():
                path = wanted.pop(name.lstrip(b"/"), None)
                if path is not None:
                    write_file(tree, path, archive.blocks())
                    written += archive.size
    except tarstream.TarError as error:
        raise BadBackupError(item, "payload %s cannot be read to its end: %s" % (payload[:16], error), "back up again")
    if wanted:
        missing = sorted(wanted.values())[0]
        raise BadBackupError(
            names.encode_name(missing),
            "its content is not in payload %s (%d files in all)" % (payload[:16], len(wanted)),
            "do not trust this backup; make a new full one",
        )
    return written


def write_file(tree, path, blocks):
    """Write `blocks` to a new file of the tree; fails when the name is taken."""
    handle = tree.create_file(path)
    try:
        for block in blocks:
            process.write_all(handle, block)
    finally:
        os.close(handle)


def _make_hard_links(tree, entries):
    there = set(path for path, _line in entries)
    for path, line in entries:
        if line["k"] != "h":
            continue
        first = names.decode_absolute_path(line["target"])
        if first not in there:
            raise BadBackupError(line["p"], "its first name %s is not in the manifest" % line["target"], "")
        tree.link(first, path)


def _set_attributes(tree, path, line):
    if line["k"] == "h" or tree.lstat(path) is None:
        return
    way = tree.at(path)
    os.lchown(way, line["uid"], line["gid"])
    if line["k"] != "l":
        # chown clears the set-user-id bits, so the mode comes after it; the entry is ours and no link.
        os.chmod(way, stat.S_IMODE(line["mode"]))
    trees.set_time(way, time_of(line))


def _next(error):
    if error.errno == errno.ENOSPC:
        return "give the target more space, then start again"
    if error.errno in (errno.EEXIST, errno.ELOOP, errno.ENOTDIR):
        return "something is in the way; the target must be empty"
    return "repair the host, then start again"
