"""One request to a repository behind a forced command, exactly as asked: restic itself would ask only what is sensible.

Speaks just enough of HTTP/2 (RFC 9113) for one request on one connection.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
import struct
import subprocess

from . import process
from .frames import clean_text

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_STREAM = 1
_MOST_DATA = 16384
_REFUSED = re.compile(r"repository_gate: refused: ([^\n]+)")
_SECONDS = 60


def frame(kind, flags, stream, content=b""):
    """Return one frame."""
    return struct.pack(">BHBBL", len(content) >> 16, len(content) & 0xFFFF, kind, flags, stream) + content


def request(method, path, content=None, stream=_STREAM):
    """Return the frames of one request with plain headers; `content` (bytes) is sent after them."""
    fields = _field(2, method) + b"\x86" + _field(4, path) + _field(1, "localhost")
    if content is None:
        return frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, fields)
    pieces = [content[at : at + _MOST_DATA] for at in range(0, len(content), _MOST_DATA)]
    frames = [frame(_DATA, 0, stream, piece) for piece in pieces]
    return frame(_HEADERS, _END_HEADERS, stream, fields) + b"".join(frames) + frame(_DATA, _END_STREAM, stream)


def _field(index, value):
    """Return a header whose name is an entry of the static table (RFC 7541), not to be remembered."""
    return bytearray((index, len(value))) + value.encode("ascii")


def ask(command, method, path, content=None):
    """Ask once and return ("refused", the gate's reason) or ("answered", what else happened).

    Args:
        command: the argument vector that reaches the forced command.
        method: such as DELETE.
        path: below the repository, such as /snapshots/<id>.
        content: bytes, for a file that is to be written.
    """
    asked = PREFACE + frame(_SETTINGS, 0, 0) + bytes(request(method, path, content))
    child = process.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = process.Tail(child.stderr)
    try:
        _send(child, asked)
        answered = _await_answer(child.stdout)
        child.stdin.close()
        process.wait(child, _SECONDS)
    finally:
        process.stop(child)
        child.stdout.close()
    found = _REFUSED.search(said.bytes().decode("utf-8", "replace"))
    if found and not answered:
        return "refused", clean_text(found.group(1))
    return "answered", "the server answered it" if answered else "no answer: %s" % said.text()


def _send(child, asked):
    try:
        process.write_all(child.stdin.fileno(), asked)
    except EnvironmentError:
        pass  # it was refused before all of it was read


def _await_answer(stream):
    """Return whether headers come back for the request before the connection ends."""
    while True:
        head = stream.read(9)
        if len(head) < 9:
            return False
        high, low, kind, _, number = struct.unpack(">BHBBL", head)
        stream.read(high << 16 | low)
        if kind == _HEADERS and number == _STREAM:
            return True
