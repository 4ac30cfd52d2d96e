"""Reads a manifest as it lies in the repository: JSON lines, the first of them the record of the backup.

The manifest may come from a hostile source host, so nothing in it is trusted beyond its digest: ids, paths and numbers
are checked before anything is done with them.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import re

from .errors import BadBackupError
from .hosttools import clock, names

_ID = re.compile(r"\A[0-9a-f]{64}\Z")
_FILE_KINDS = "fdlhpscb"


class Manifest:
    """One manifest on disk; `record` is its first line, lines() reads the others again each time."""

    def __init__(self, path, item):
        """Open the manifest of `item` at `path`; raises BadBackupError when its first line is no record."""
        self.path = path
        self.item = item
        with open(path, "rb") as stream:
            self.record = _parse(stream.readline(), item, 1)
        if self.record.get("t") != "record" or self.record.get("format") != 1:
            raise BadBackupError(item, "the manifest does not begin with a record of format 1", "make a new backup")

    def lines(self):
        """Yield every line after the record as a dict with its kind in "t"."""
        with open(self.path, "rb") as stream:
            stream.readline()
            for number, line in enumerate(stream, 2):
                yield _parse(line, self.item, number)

    def files(self, roots):
        """Yield (raw path as bytes, line) for each entry of a file set, checked against `roots` (policy's paths).

        Raises BadBackupError for a line that names a path outside of them or is not as it must be.
        """
        below = [root.rstrip("/").encode("utf-8") for root in roots]
        for line in self.lines():
            if line.get("t") == "file":
                yield self._checked_path(line, below), line

    def _checked_path(self, line, below):
        try:
            raw = names.decode_absolute_path(line["p"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadBackupError(self.item, "a path in the manifest is not usable: %s" % error, "make a new backup")
        if not [root for root in below if raw == root or raw.startswith(root + b"/")]:
            raise BadBackupError(line["p"], "the manifest names a path outside the file set", "make a new backup")
        if line.get("k") not in _FILE_KINDS or not isinstance(line.get("mode"), int):
            raise BadBackupError(line["p"], "the manifest's line has no kind or mode", "make a new backup")
        return raw


def check_record(record, system, item):
    """Raise BadBackupError unless the record is one of `system` and `item` with all that a restore needs."""
    payload = record.get("payload") or {}
    checks = (
        ("system", record.get("system") == system),
        ("item", record.get("item") == item),
        ("payload.snapshot", bool(_ID.match(str(payload.get("snapshot", ""))))),
        ("payload.sha256", bool(_ID.match(str(payload.get("sha256", ""))))),
        ("payload.bytes", isinstance(payload.get("bytes"), int) and payload.get("bytes") >= 0),
        ("payload.path", payload.get("path") == "/%s.payload" % item.replace(":", "-", 1)),
        ("parents", not [one for one in record.get("parents") or [] if not _ID.match(str(one))]),
        ("snapshot_at", _is_time(moment(record))),
    )
    wrong = [name for name, fine in checks if not fine]
    if wrong:
        raise BadBackupError(item, "the manifest's record is wrong in %s" % ", ".join(wrong), "make a new backup")


def moment(record):
    """Return the time whose data the backup holds: of the exported snapshot, else when it was begun."""
    return record.get("snapshot_at") or record.get("started") or ""


def _is_time(text):
    try:
        return clock.moment(text) > 0
    except (TypeError, ValueError):
        return False


def _parse(line, item, number):
    try:
        value = json.loads(line.decode("ascii"))
    except (ValueError, RuntimeError):
        value = None
    if not isinstance(value, dict) or not line.endswith(b"\n"):
        raise BadBackupError(item, "line %d of the manifest is damaged" % number, "make a new backup")
    return value
