"""Reads a payload back out of the repository, once: digested whole and read to its end by the tool that restores it."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import hashlib
import json
import os
import subprocess
import tarfile
import time

from . import process
from .faults import NotAcceptedError
from .frames import clean_text
from .names import encode_name

_NO_END = b"\0" * 1024


def read_back(repository, payload, item, lines):
    """Read the stored payload to its end and return what was proven: {"bytes", "sha256", "how", "seconds"}.

    Args:
        repository: the `Repository`.
        payload: {"snapshot", "path", "bytes", "sha256"} as it was sent.
        item: {"kind", "engine"}.
        lines: function that yields the manifest's lines (bytes) of a file set.

    Raises NotAcceptedError when the stored bytes are others or cannot be read to their end.
    """
    began = time.time()
    dump = repository.open_dump(payload["snapshot"], payload["path"])
    try:
        if item["kind"] == "history":
            how = _read_rows(dump, lines())
        else:
            how = _READERS[item["engine"]](dump) if item["kind"] == "database" else _read_archive(dump, lines())
        size, digest = dump.finish()
    finally:
        dump.abort()
    if (size, digest) != (payload["bytes"], payload["sha256"]):
        raise NotAcceptedError(
            "the repository gave back %d bytes with SHA-256 %s instead of %d with %s"
            % (size, digest, payload["bytes"], payload["sha256"])
        )
    return {"bytes": size, "sha256": digest, "how": how, "seconds": round(time.time() - began, 3)}


def _read_pg_dump(dump):
    """Let pg_restore read the whole dump; its table of contents alone reads fine from a dump cut to a fifth."""
    with open(os.devnull, "wb") as nowhere:
        reader = process.start(
            ["pg_restore", "-f", os.devnull], stdin=subprocess.PIPE, stdout=nowhere, stderr=subprocess.PIPE
        )
    said = process.Tail(reader.stderr)
    unread = 0
    try:
        piece = dump.read()
        while piece:
            unread += 0 if _give(reader, piece) else len(piece)
            piece = dump.read()
        reader.stdin.close()
        code = reader.wait()
    finally:
        process.stop(reader)
    if code:
        raise NotAcceptedError("the dump cannot be read to its end: %s" % said.text())
    if unread:
        raise NotAcceptedError("%d bytes follow the end of the dump" % unread)
    return "sha256, pg_restore"


_READERS = {"postgresql": _read_pg_dump}


def has_reader(engine):
    """Return whether a dump of `engine` can be read to its end here."""
    return engine in _READERS


def _give(reader, piece):
    """Write `piece`; return False when the reader has ended, which its exit code explains."""
    try:
        process.write_all(reader.stdin.fileno(), piece)
    except (IOError, OSError) as error:
        if error.errno != errno.EPIPE:
            raise
        return False
    return True


def _read_rows(dump, lines):
    """Count the rows of COPY's text, of which each is one line, and hold them against the listing's."""
    expected = sum(line.get("rows", 0) for line in (json.loads(text.decode("ascii")) for text in lines))
    found, piece, end = 0, dump.read(), b"\n"
    while piece:
        found += piece.count(b"\n")
        end = piece[-1:]
        piece = dump.read()
    if end != b"\n":
        raise NotAcceptedError("the last row is cut short")
    if found != expected:
        raise NotAcceptedError("the export holds %d rows, its listing %d" % (found, expected))
    return "sha256, rows"


def _read_archive(dump, lines):
    """Hold each entry of the tar stream against the listing's next sent line, content included."""
    expected = (json.loads(line.decode("ascii")) for line in lines if b'"sent":true' in line)
    try:
        archive = tarfile.open(fileobj=dump, mode="r|", bufsize=1 << 18, encoding="latin-1", errors="strict")
        for member in archive:
            _compare(archive, member, next(expected, None))
            archive.members = []  # tarfile would keep every entry in memory
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise NotAcceptedError("the file stream cannot be read to its end: %s" % clean_text(error))
    missing = next(expected, None)
    if missing is not None:
        raise NotAcceptedError("the file stream lacks %s" % clean_text(missing["p"]))
    while dump.read():
        pass
    if dump.end != _NO_END:
        raise NotAcceptedError("the file stream has no end")
    return "sha256, tar"


def _compare(archive, member, line):
    raw = member.name if isinstance(member.name, bytes) else member.name.encode("latin-1")
    found = "/" + encode_name(raw)
    if line is None or line.get("p") != found:
        raise NotAcceptedError("the file stream holds %s, which the listing does not name there" % clean_text(found))
    if not member.isreg():
        return
    digest = hashlib.sha256()
    content = archive.extractfile(member)
    piece = content.read(1 << 18)
    while piece:
        digest.update(piece)
        piece = content.read(1 << 18)
    if digest.hexdigest() != line.get("sha256"):
        raise NotAcceptedError("the content of %s is not what the listing says" % clean_text(found))
