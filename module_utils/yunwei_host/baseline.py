"""What an earlier backup of a file set already holds: told to the source, so that it need not be sent again."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import zlib

from .clock import moment
from .faults import FaultError
from .manifest import to_json
from .records import payloads_of
from .tripwire import table_key, table_value

DAY = 86400
_PIECE_LINES = 1000


def choose_baseline(records, item, snapshot_ids, now):
    """Return the record that a new backup of a file set builds on, or None for a full one.

    Args:
        records: all records of the system, oldest first.
        item: {"item", "kind", "full_every_days"}.
        snapshot_ids: ids of all snapshots in the repository.
        now: seconds since 1970.
    """
    if item["kind"] != "files":
        return None
    ours = [record for record in records if record["item"] == item["item"] and not record.get("damaged")]
    intact = [record for record in ours if set(payloads_of(record)) <= set(snapshot_ids)]
    full = [record for record in intact if not record.get("baseline")]
    if not full or now - moment(full[-1]["started"]) >= (item["full_every_days"] or 0) * DAY:
        return None
    return intact[-1]


def read_baseline(repository, record):
    """Return ({path: (payload id, SHA-256)}, compressed lines for the source) of the manifest of `record`.

    Raises FaultError when the stored manifest is not the one that was accepted.
    """
    places, payloads, packed = {}, {}, Packed()
    for line in accepted_lines(repository, record):
        if line.get("t") != "file":
            continue
        packed.add(to_json(_told(line)) + "\n")
        if line["k"] == "f":
            # One text for each payload, not one for each file.
            places[line["p"]] = (payloads.setdefault(line["in"], line["in"]), line["sha256"])
    return places, packed.end()


class Packed:
    """Lines of text, compressed in larger pieces."""

    def __init__(self):
        """Begin with none."""
        self._packer, self._packed, self._lines = zlib.compressobj(1), [], []

    def add(self, line):
        """Add a line with its end."""
        self._lines.append(line)
        if len(self._lines) >= _PIECE_LINES:
            self._pack()

    def end(self):
        """Return all as one zlib stream."""
        self._pack()
        return b"".join(self._packed) + self._packer.flush()

    def _pack(self):
        self._packed.append(self._packer.compress("".join(self._lines).encode("ascii")))
        self._lines = []


def read_tables(repository, record):
    """Return {(schema, name): (rows, digest)} of the tables in the manifest of `record`.

    Raises FaultError when the stored manifest is not the one that was accepted.
    """
    lines = accepted_lines(repository, record)
    return dict((table_key(line), table_value(line)) for line in lines if line.get("t") == "table")


def accepted_lines(repository, record):
    """Yield the lines of the manifest of `record`; raises FaultError at their end unless they are the accepted ones."""
    dump = repository.open_dump(record["record_id"], record["manifest_path"])
    try:
        for line in _lines(dump):
            yield line
        if dump.finish()[1] != record["manifest_sha256"]:
            raise FaultError("the manifest of record %s is not the accepted one" % record["record_id"][:16])
    finally:
        dump.abort()


def _told(line):
    return {"p": line["p"], "stat": line["stat"], "sha256": line["sha256"]}


def _lines(dump):
    rest = b""
    while True:
        piece = dump.read()
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        try:
            # As one list: a call for each of a hundred thousand lines would cost more than the line.
            values = json.loads("[%s]" % b",".join(lines).decode("ascii"))
        except ValueError:
            raise FaultError("a stored manifest holds a line that is no JSON")
        for value in values:
            yield value
        if not piece:
            return
