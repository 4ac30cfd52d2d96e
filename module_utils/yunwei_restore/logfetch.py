"""Brings archived log files back from a site into one folder: each held against the digest of its archive's manifest.

Below the folder lies `<host>/<time>-<record>/<path on the host>`: a rotated log has the same path in many archives. A
file has its name only once it is whole; what is there already is left where it is equal, and else nothing is brought.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import functools
import hashlib
import os
import re

from . import extract, locate, site, tarstream, workdir
from . import tree as trees
from .errors import BadBackupError, NotJudgedError, RefusedError, RestoreError
from .hosttools import clock, names, repository, rundir
from .manifest import Manifest, check_record, moment

FOLDER_MODE = 0o700
# An archive can be older than its files by as much as the clocks of host and backup server differ.
_CLOCKS_SECONDS = 86400
_PARTIAL = b".yunwei-fetch"
_DIGEST = re.compile(r"\A[0-9a-f]{64}\Z")


def fetch(work, secrets):
    """Bring what `work` (a `LogFetchWork`) asks for and return (summary, changed).

    Every archive is on its own: a bad one is told, the others are brought. Raises RestoreError where nothing can be.
    """
    _demand_program()
    rundir.sweep_run_folders(work["system"])
    folder = rundir.make_run_folder(work["system"])
    try:
        with site.SiteReader(work, None, secrets, os.path.join(folder, "cache")) as reader:
            return _Fetch(work, reader, folder).run()
    finally:
        rundir.remove_run_folder(folder)


def ended(work, error):
    """Return the summary of a fetch that brought nothing for this reason."""
    status = _status(error)
    line = {"item": "logs:%s" % work["host"], "status": status, "reason": said(error)}
    return {"system": work["system"], "site": work["site"], "items": [line], "verdict": status}


class _Fetch:
    """One fetch from one site."""

    def __init__(self, work, reader, folder):
        self._work = work
        self._reader = reader
        self._folder = folder
        self._item = "logs:%s" % work["host"]
        self._span = (clock.moment(work["since"]), clock.moment(work["until"]))

    def run(self):
        """Look into every archive that may hold such files; then, where nothing is in the way, bring them."""
        kinds, ignored = self._archives()
        lines, wanted = [], []
        for snapshot in sorted(kinds["manifests"], key=lambda one: (one["time"], one["id"])):
            if snapshot["time"] < self._span[0] - _CLOCKS_SECONDS:
                continue
            try:
                found = self._look_into(snapshot, kinds)
            except RestoreError as error:
                lines.append(_line(self._item, snapshot["id"], _status(error), reason=said(error)))
                continue
            if found is None:
                ignored.append({"snapshot": snapshot["id"], "why": "the ledger knows no accepted archive of this kind"})
            elif found["entries"]:
                wanted.append(found)
        if not wanted and not lines:
            raise BadBackupError(self._item, self._nothing(kinds, ignored), "look at the path and the days")
        brought = self._bring(wanted) if wanted else []
        return self._summary(lines + brought, ignored), any(line.get("new_files") for line in brought)

    def _archives(self):
        found, ignored = locate.sort_snapshots(self._reader.snapshots(), self._work["system"])
        kinds = found.get(self._item)
        if not kinds or not kinds["manifests"]:
            raise BadBackupError(self._item, "no archive at all at this site", "was the host's name changed?")
        return kinds, ignored

    def _nothing(self, kinds, ignored):
        return "no archived file fits: %d archives at this site, %d snapshots are not ours" % (
            len(kinds["manifests"]),
            len(ignored),
        )

    def _look_into(self, snapshot, kinds):
        """Return what of one archive is wanted, None for an archive that the ledger does not know."""
        path = os.path.join(self._folder, "manifest")
        with open(path, "wb") as stream:
            name = "/%s.manifest" % self._item.replace(":", "-", 1)
            digest, _size = self._reader.dump(snapshot["site_id"], name, self._item, stream.write)
        if self._work["accepted"] and digest not in self._work["accepted"]:
            return None
        manifest = Manifest(path, self._item)
        record = manifest.record
        check_record(record, self._work["system"], self._item)
        files = [(raw, line) for raw, line in manifest.files(["/"]) if self._is_wanted(line)]
        when = moment(record).replace("-", "").replace(":", "")
        return {
            "id": snapshot["id"],
            "entries": extract.chosen(files, self._work["path"]),
            "payload": record["payload"],
            "site_id": locate.payload_id_at_site(kinds, record["payload"]["snapshot"], self._item),
            "folder": "%s/%s-%s" % (self._work["host"], when, snapshot["id"][:12]),
        }

    def _is_wanted(self, line):
        if line["k"] != "f" or not line.get("sent") or line.get("changed"):
            return False  # one that changed while it was read stayed on its host, and came with a later archive
        try:
            when = extract.time_of(line)
            known = line["size"] >= 0 and _DIGEST.match(line["sha256"])
        except (KeyError, TypeError, ValueError, OverflowError):
            known = None
        if not known:
            raise BadBackupError(line["p"], "its line in the manifest lacks size, time or digest", "read the site back")
        return self._span[0] <= when / 1e9 < self._span[1]

    def _bring(self, wanted):
        target = _Target(self._work["into"])
        try:
            for archive in wanted:
                archive["missing"] = target.demand_free(_place(archive), archive["entries"])
            target.demand_space([line for archive in wanted for line in archive["missing"].values()])
            return [self._bring_archive(target, archive) for archive in wanted]
        except (IOError, OSError) as error:
            raise NotJudgedError(self._work["into"], os.strerror(error.errno or 0), "look at the folder, start again")
        finally:
            target.close()

    def _bring_archive(self, target, archive):
        """Bring what is missing of one archive and return its line of the result."""
        missing, payload = archive["missing"], archive["payload"]
        folder = os.path.join(self._work["into"], archive["folder"])
        line = functools.partial(_line, self._item, archive["id"], folder=folder, files=len(archive["entries"]))
        left = dict(missing)
        try:
            if missing:
                read = functools.partial(_take_files, target, _place(archive), left)
                name = "/%s.payload" % self._item.replace(":", "-", 1)
                digest, size = self._reader.read_through(archive["site_id"], name, self._item, read)
                _demand_whole(self._item, left, (digest, size) == (payload["sha256"], payload["bytes"]))
        except (RestoreError, tarstream.TarError) as error:
            new = len(missing) - len(left)
            return line(status=_status(error), reason=said(error), new_files=new)
        size = sum(one["size"] for _path, one in archive["entries"])
        return line(status="fetched" if missing else "there already", new_files=len(missing), bytes=size)

    def _summary(self, lines, ignored):
        states = set(line["status"] for line in lines)
        verdict = "failed" if "failed" in states else "could not judge" if "could not judge" in states else "passed"
        return {
            "system": self._work["system"],
            "site": self._work["site"],
            "host": self._work["host"],
            "items": lines,
            "ignored": ignored[:100],
            "ledger_asked": bool(self._work["accepted"]),
            "verdict": verdict,
        }


class _Target:
    """The folder that files are brought into: made for its owner alone, and held against a second fetch."""

    def __init__(self, path):
        """Open it; raises NotJudgedError or RefusedError where it is not ours to write in."""
        self._path = path
        try:
            if not os.path.isdir(path):
                os.mkdir(path, FOLDER_MODE)
            self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            self._tree = trees.Tree(os.path.realpath(path), FOLDER_MODE)
        except (IOError, OSError) as error:
            cause = "it is no folder to write in: %s" % os.strerror(error.errno or 0)
            raise NotJudgedError(path, cause, "name another one, whose parent is there")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (IOError, OSError):
            self.close()
            raise RefusedError(path, "another fetch writes into it", "wait for its end")

    def close(self):
        """Close it."""
        self._tree.close()
        os.close(self._lock)

    def demand_space(self, lines):
        """Raise NotJudgedError where the files of these lines do not fit."""
        needed = sum(line["size"] for line in lines)
        free = workdir.free_bytes(self._path)
        if free < needed:
            raise NotJudgedError(
                self._path, "%d bytes are free, the files need %d" % (free, needed), "ask for fewer days, or make room"
            )

    def demand_free(self, place, entries):
        """Return {path: line} of what is not there yet; raises RefusedError for anything else in its place."""
        missing = {}
        for path, line in entries:
            try:
                os.lstat(self._tree.at(place + path))
                is_there = True
            except OSError as error:
                is_there = error.errno != errno.ENOENT  # also where a link or a file is on the way
            if not is_there:
                missing[path] = line
            elif self._digest(place + path) != line["sha256"]:
                shown = names.display_name(names.encode_name(place + path))
                raise RefusedError(
                    shown, "something else is in its place below %s; nothing is overwritten" % self._path, "move it"
                )
        return missing

    def write(self, path, line, blocks):
        """Write a new file; it has its name once its bytes are those that were archived, else it is gone."""
        partial = path.rsplit(b"/", 1)[0] + b"/" + _PARTIAL
        self._remove(partial)  # of a killed fetch: this one alone writes here
        digest = hashlib.sha256()
        try:
            extract.write_file(self._tree, partial, _digested(blocks, digest))
            if digest.hexdigest() != line["sha256"]:
                raise BadBackupError(line["p"], "its content is not what was archived", "read the site back")
            trees.set_time(self._tree.at(partial), extract.time_of(line))
            self._tree.link(partial, path)  # unlike a rename it overwrites nothing
        finally:
            self._remove(partial)

    def _digest(self, path):
        """Return the SHA-256 of a regular file, None for anything else."""
        try:
            handle = self._tree.open_file(path)
        except (IOError, OSError):
            return None
        digest = hashlib.sha256()
        with os.fdopen(handle, "rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()

    def _remove(self, path):
        try:
            os.unlink(self._tree.at(path))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def _digested(blocks, digest):
    for block in blocks:
        digest.update(block)
        yield block


def _take_files(target, place, left, stream):
    """Write those files of a payload that are in `left` ({path: line}), and take them out of it."""
    archive = tarstream.TarStream(stream)
    for name in archive.files():
        path = b"/" + name.lstrip(b"/")
        if path in left:
            target.write(place + path, left[path], archive.blocks())
            del left[path]


def _place(archive):
    return b"/" + archive["folder"].encode("ascii")


def _demand_whole(item, left, is_whole):
    if left or not is_whole:
        cause = "%d files are not in it" % len(left) if left else "it is not what was archived"
        raise BadBackupError(item, "the payload of the archive: " + cause, "read the site back: backups verify --all")


def _demand_program():
    program = repository.READS_REPOSITORIES
    if not [one for one in os.environ.get("PATH", "").split(":") if os.access(os.path.join(one, program), os.X_OK)]:
        raise NotJudgedError(program, "it is not on this controller's PATH", "install its package and start again")


def _line(item, record, status, **more):
    return dict(more, item=item, record=record, status=status)


def _status(error):
    return "could not judge" if isinstance(error, NotJudgedError) else "failed"


def said(error):
    """Return an error in one line, with what to do next."""
    step = getattr(error, "next_step", "")
    return "%s; %s" % (error, step) if step else "%s" % error
