"""The manifest on its way: from the source's lines to the document that is stored beside the payload.

The document's first line is the record, the others are the source's. Every regular file gets "in": the payload
snapshot that holds its bytes. Lines wait compressed in the run's tmpfs folder, because the record can only be written
when the payload is in the repository; memory does not grow with them.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import gzip
import hashlib
import json

from .faults import FaultError, NotAcceptedError
from .frames import clean_text, parse_lines
from .names import NameRefusedError, decode_absolute_path

# Stands for the payload that is being stored, until its id is known. No snapshot has this id.
OWN = "0" * 64
# Made once: json.dumps makes one for each of a hundred thousand lines.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
RELATIONS = ("same_snapshot", "bracketed", "physical")


class Spool:
    """Lines on disk (tmpfs), compressed: written once in order, then read as often as needed."""

    def __init__(self, path):
        """Create the file `path`."""
        self._path = path
        self._stream = gzip.GzipFile(path, "wb", 1)

    def write(self, chunk):
        """Add `chunk`, bytes of whole lines; raises FaultError where they do not fit."""
        self._do(self._stream.write, chunk)

    def lines(self):
        """Yield every line as bytes, with its end."""
        self._do(self._stream.close)
        reader = gzip.GzipFile(self._path, "rb")
        try:
            for line in reader:
                yield line
        finally:
            reader.close()

    def _do(self, act, *words):
        try:
            act(*words)
        except EnvironmentError as error:
            raise FaultError(
                "the manifest does not fit into %s: %s; look whether the source really has so many files or tables, "
                "then give that file system room" % (self._path, error.strerror)
            )


class Listing:
    """Takes a source's manifest lines as they come, checks them, places the files and counts.

    `summary` holds the counts for the result, `parents` the payloads of earlier backups that are still needed.
    """

    def __init__(self, item, spool, baseline, changes):
        """Judge the lines of `item` ({"kind", "name", "engine"}).

        `baseline` is {path: (payload id, SHA-256)}; `changes` is shown every line (see tripwire.py).
        """
        self._item = item
        self._spool = spool
        self._baseline = baseline
        self._changes = changes
        self._parents = set()
        self._described = False
        self.summary = {}

    @property
    def parents(self):
        """Return the payload snapshots of earlier backups whose bytes this one counts on, sorted."""
        return sorted(self._parents)

    def add(self, chunk):
        """Take `chunk` (bytes of whole lines); raises NotAcceptedError for a line that cannot be true."""
        take = {"database": self._database, "history": self._history}.get(self._item["kind"], self._file)
        kept = []
        for line in parse_lines(chunk):
            take(line)
            self._changes.take(line)
            kept.append(to_json(line) + "\n")
        self._spool.write("".join(kept).encode("ascii"))

    def finish(self):
        """Raise NotAcceptedError when the listing as a whole cannot be one of this item."""
        if not self._described:
            raise NotAcceptedError("the source sent no manifest of %s %s" % (self._item["kind"], self._item["name"]))

    def _count(self, key, amount=1):
        self.summary[key] = self.summary.get(key, 0) + amount

    def _database(self, line):
        if line["t"] == "database":
            self._described = self._described or self._describes(line)
        elif line["t"] == "table":
            self._count("tables")
            self._count("rows", _number(line, "rows"))

    def _history(self, line):
        if line["t"] == "history":
            self._described = self._described or self._describes(line)
        elif line["t"] in ("rows", "part"):
            self._count("rows", _number(line, "rows"))

    def _describes(self, line):
        expected = {"name": self._item["name"], "engine": self._item["engine"]}
        for key in sorted(expected):
            if line.get(key) != expected[key]:
                raise NotAcceptedError("the manifest is of %s %s" % (key, clean_text(line.get(key))))
        if line.get("relation") not in RELATIONS:
            raise NotAcceptedError("the manifest does not say how it relates to its dump")
        return True

    def _file(self, line):
        if line["t"] != "file":
            self._count("notes")
            return
        self._described = True
        try:
            decode_absolute_path(line["p"])
        except (KeyError, TypeError, NameRefusedError):
            raise NotAcceptedError("the manifest names a path that is none: %s" % clean_text(line.get("p")))
        self._count("files")
        if line.get("changed"):
            self._count("changed_while_read")
        if line.get("sent"):
            self._count("sent")
        if line.get("k") == "f":
            line["in"] = OWN if line.get("sent") else self._place(line)
            self._count("bytes", _number(line, "size"))

    def _place(self, line):
        """Return the payload that holds an unchanged file; refuses one that we never said to have."""
        place, digest = self._baseline.get(line["p"], (None, None))
        if place is None or digest != line.get("sha256"):
            raise NotAcceptedError("the source left out %s, which no backup here holds" % clean_text(line["p"]))
        self._parents.add(place)
        return place


def document(record, spool, payload):
    """Yield the manifest's bytes, line by line: the record, then the source's lines with `payload` in its place."""
    yield (to_json(record) + "\n").encode("ascii")
    # A quote inside a JSON string is escaped, so this can only be the key that Listing wrote.
    own, real = ('"in":"%s"' % OWN).encode("ascii"), ('"in":"%s"' % payload).encode("ascii")
    for line in spool.lines():
        yield line.replace(own, real, 1)


def digest_of(pieces):
    """Return (bytes, SHA-256) of an iterable of bytes."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def to_json(value):
    """Return `value` as one line of ASCII JSON with sorted keys."""
    return _ENCODER.encode(value)


def _number(line, key):
    value = line.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise NotAcceptedError(
            "the manifest's line of %s has no %s" % (clean_text(line.get("name") or line.get("p")), key)
        )
    return value
