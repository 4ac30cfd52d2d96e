"""Reads what a source host's forced command answers, trusting none of it.

The wire: `YUNWEI-SOURCE 1\\n`, then frames of one type byte, four length bytes (big endian, at most 1 MiB) and the
payload. H opens, D carries payload, M carries manifest lines (one zlib stream per frame, whole lines), K says "still
working", T closes a good answer, E a failed one. Nothing may follow T or E. Memory stays below a few frames whatever
the other side sends; every text that may reach a terminal is cleaned.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os
import re
import select
import struct
import time
import zlib

MAGIC = b"YUNWEI-SOURCE 1\n"
FRAME_LIMIT = 1 << 20
TEXT_FRAME_LIMIT = 64 << 10
LINES_LIMIT = 8 << 20
SHOWN_CHARACTERS = 2000

_TEXT = type(b"".decode("ascii"))


def _pattern(escaped):
    """Compile a pattern of text characters, written so that Python 2 and 3 read the same."""
    return re.compile(escaped.encode("ascii").decode("raw_unicode_escape"))


# Escape sequences whole, then single controls, halves of characters and the marks that reorder text on a screen.
_ESCAPES = _pattern(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[@-~]")
_CONTROLS = _pattern(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
_SURROGATE = re.compile("\\\\u[dD][89a-fA-F]".encode("ascii"))
_LONE = _pattern(r"[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")


class FrameRefusedError(Exception):
    """The source's answer breaks the protocol or a limit; nothing of it may be accepted."""


class SourceFailedError(Exception):
    """The source itself said that it failed; carries `where`, `reason` and `next_step`, cleaned for display."""

    def __init__(self, where, reason, next_step):
        """Keep the three parts of the source's own message."""
        Exception.__init__(self, "%s: %s (next: %s)" % (where, reason, next_step))
        self.where = where
        self.reason = reason
        self.next_step = next_step


class Limits:
    """How much and how long one answer may be: bytes of payload and manifest, seconds of silence and in all."""

    def __init__(self, payload_bytes=1 << 44, manifest_bytes=1 << 32, idle_seconds=120, total_seconds=86400):
        """Defaults: 16 TiB of payload, 4 GiB of manifest, two minutes of silence, a day in all."""
        self.payload_bytes = payload_bytes
        self.manifest_bytes = manifest_bytes
        self.idle_seconds = idle_seconds
        self.total_seconds = total_seconds


def clean_text(value):
    """Return `value` (bytes or text of a stranger) as one line that is safe on a terminal."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else "%s" % (value,)
    return _CONTROLS.sub(" ", _ESCAPES.sub("", text[: 4 * SHOWN_CHARACTERS]))[:SHOWN_CHARACTERS].strip()


def parse_object(payload, what):
    """Return the JSON object in `payload` (ASCII bytes); raises FrameRefusedError naming `what` for anything else."""
    try:
        value = _DECODER.decode(payload.decode("ascii"))
    except (ValueError, RuntimeError):  # RuntimeError: nested too deeply
        raise FrameRefusedError("%s is not ASCII JSON" % what)
    if not isinstance(value, dict):
        raise FrameRefusedError("%s is not a JSON object" % what)
    if _SURROGATE.search(payload) and _LONE.search(json.dumps(value, ensure_ascii=False)):
        raise FrameRefusedError("%s holds half of a character" % what)
    return value


def parse_lines(chunk):
    """Return the JSON objects of `chunk` (manifest lines as yielded by read_frames), each with its kind in "t"."""
    lines = [parse_object(line, "a manifest line") for line in chunk.split(b"\n")[:-1]]
    for line in lines:
        if not isinstance(line.get("t"), _TEXT):
            raise FrameRefusedError("a manifest line has no kind")
    return lines


def read_frames(descriptor, limits=None):
    """Yield ("H", dict), ("D", bytes), ("M", bytes of whole lines) and at last ("T", dict) from `descriptor`.

    Reaching the end of the generator means: the trailer came last, says exit 0, and its lengths and SHA-256 are those
    of the bytes yielded. Raises SourceFailedError for an E frame, FrameRefusedError for everything else.
    """
    return _Reader(descriptor, limits or Limits()).frames()


def _refuse_constant(text):
    raise ValueError(text)


def _parse_int(digits):
    if len(digits) > 20:  # longer ones are no size or count of ours, and slow to convert
        raise ValueError("number too long")
    return int(digits)


# Made once: json.loads with these makes one for each of a hundred thousand lines.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_parse_int)


class _Reader:
    """One answer being read: the running digests and the state that the trailer is held against."""

    def __init__(self, descriptor, limits):
        self._descriptor = descriptor
        self._limits = limits
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
        self._clock = getattr(time, "monotonic", time.time)
        self._deadline = self._clock() + limits.total_seconds
        self._bytes = {"D": 0, "M": 0}
        self._digest = {"D": hashlib.sha256(), "M": hashlib.sha256()}

    def frames(self):
        if self._exactly(len(MAGIC), "the protocol line") != MAGIC:
            raise FrameRefusedError("the answer does not begin with the protocol line %r" % MAGIC.decode().strip())
        opened = False
        while True:
            kind, payload = self._frame()
            if kind == "E":
                raise _failure(payload)
            if (kind == "H") == opened:
                raise FrameRefusedError("frame %s out of order" % kind)
            opened = True
            if kind in ("D", "M"):
                payload = self._count(kind, payload)
            elif kind in ("H", "T"):
                payload = parse_object(payload, "frame %s" % kind)
            if kind == "T":
                self._check_trailer(payload)
            if kind != "K":
                yield kind, payload
            if kind == "T":
                return

    def _frame(self):
        kind, size = struct.unpack(">cL", self._exactly(5, "a frame's head"))
        kind = kind.decode("latin-1")
        if kind not in "HDMKTE":
            raise FrameRefusedError("unknown frame type %r" % (kind,))
        if size > (FRAME_LIMIT if kind in "DM" else TEXT_FRAME_LIMIT) or (size == 0) != (kind == "K"):
            raise FrameRefusedError("frame %s of %d bytes is not allowed" % (kind, size))
        return kind, self._exactly(size, "frame %s" % kind)

    def _count(self, kind, payload):
        if kind == "M":
            payload = _inflate(payload)
        self._bytes[kind] += len(payload)
        limit = self._limits.payload_bytes if kind == "D" else self._limits.manifest_bytes
        if self._bytes[kind] > limit:
            raise FrameRefusedError("more than the allowed %d bytes of frame %s" % (limit, kind))
        self._digest[kind].update(payload)
        return payload

    def _check_trailer(self, trailer):
        found = {
            "exit": 0,
            "bytes": self._bytes["D"],
            "sha256": self._digest["D"].hexdigest(),
            "manifest_bytes": self._bytes["M"],
            "manifest_sha256": self._digest["M"].hexdigest(),
        }
        for key in sorted(found):
            if trailer.get(key) != found[key] or isinstance(trailer.get(key), bool):
                said = clean_text(trailer.get(key))
                raise FrameRefusedError("the trailer says %s %s, received was %s" % (key, said, found[key]))
        if self._read(1):
            raise FrameRefusedError("bytes follow the trailer")

    def _exactly(self, size, what):
        pieces = []
        missing = size
        while missing:
            piece = self._read(missing)
            if not piece:
                raise FrameRefusedError("the answer ends inside %s" % what)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _read(self, size):
        waited = min(self._limits.idle_seconds, self._deadline - self._clock())
        while True:
            try:
                if waited <= 0 or not self._poll.poll(int(waited * 1000)):
                    raise FrameRefusedError(
                        "the source was silent for %d seconds or not done after %d"
                        % (self._limits.idle_seconds, self._limits.total_seconds)
                    )
                return os.read(self._descriptor, size)
            except (OSError, IOError, select.error) as error:
                if error.args[0] != 4:  # EINTR: Python 2 does not restart the call
                    raise FrameRefusedError("the connection failed: %s" % clean_text(error))


def _inflate(payload):
    """Return the lines of one M frame; refuses bombs, trailing bytes and a line cut in two."""
    stream = zlib.decompressobj()
    try:
        lines = stream.decompress(payload + b"\0", LINES_LIMIT)
    except zlib.error:
        raise FrameRefusedError("frame M is not a zlib stream")
    # Python 2 has no `eof`: that exactly the byte added here is left over tells that the stream ended where it must.
    if stream.unused_data != b"\0" or not lines.endswith(b"\n"):
        raise FrameRefusedError("frame M is too large, cut short or followed by other bytes")
    return lines


def _failure(payload):
    try:
        said = parse_object(payload, "frame E")
    except FrameRefusedError as error:
        return error
    return SourceFailedError(*[clean_text(said.get(key, "not said")) for key in ("where", "reason", "next")])
