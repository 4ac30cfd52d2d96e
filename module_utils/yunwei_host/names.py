"""File names as ASCII: the percent-encoding that carries any bytes between host and controller.

A name that is not UTF-8 ruins every other name in a module's result, so no name travels as text. The encoding is
canonical (one spelling per name): what is not canonical was not made by the source program and is refused.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import codecs
import re
import unicodedata

SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.-~+,=:@"
_ENCODED = tuple(chr(code) if code in bytearray(SAFE) else "%%%02X" % code for code in range(256))
_BYTES = tuple(bytes(bytearray([code])) for code in range(256))
_PLAIN = re.compile(r"\A[A-Za-z0-9/_.~+,=:@-]*\Z")
_CANONICAL = re.compile(r"\A(?:[A-Za-z0-9/_.~+,=:@-]|%[0-9A-F]{2})*\Z")
_ESCAPE = re.compile(r"%([0-9A-F]{2})")


class NameRefusedError(ValueError):
    """The text is not the canonical percent-encoding of a name or path."""


def encode_name(raw):
    """Return the ASCII form of `raw` (bytes of a file name or path)."""
    return "".join([_ENCODED[code] for code in bytearray(raw)])


def decode_name(text):
    """Return the bytes that `text` stands for; raises NameRefusedError for any spelling but the canonical one."""
    if _PLAIN.match(text):
        return text.encode("ascii")
    if not _CANONICAL.match(text):
        raise NameRefusedError("not a percent-encoded name: %r" % (text[:200],))
    parts = _ESCAPE.split(text)  # what stands for itself and pairs of hex digits take turns
    parts[1::2] = [_BYTES[int(digits, 16)] for digits in parts[1::2]]
    raw = b"".join([part if isinstance(part, bytes) else part.encode("ascii") for part in parts])
    if encode_name(raw) != text:
        raise NameRefusedError("not the canonical spelling of a name: %r" % (text[:200],))
    return raw


def decode_absolute_path(text):
    """Return the bytes of an absolute path without empty, `.` or `..` parts and without NUL.

    Raises NameRefusedError otherwise: such a path could point out of the tree that it is restored into.
    """
    raw = decode_name(text)
    parts = raw.split(b"/")
    if len(parts) < 2 or parts[0] or b"\0" in raw or [part for part in parts[1:] if part in (b"", b".", b"..")]:
        raise NameRefusedError("not a plain absolute path: %r" % (text[:200],))
    return raw


def display_name(text):
    """Return `text` decoded for people: UTF-8 as it reads, every other or unprintable byte as \\xNN or \\uNNNN."""
    shown = decode_name(text).decode("utf-8", "yunwei_hex")
    return "".join([char if _printable(char) else char.encode("unicode_escape").decode("ascii") for char in shown])


def _printable(char):
    return char == " " or unicodedata.category(char)[0] not in "CZ"


def _hex_bytes(error):
    wrong = bytearray(error.object[error.start : error.end])
    return "".join(["\\x%02x" % code for code in wrong]).encode("ascii").decode("ascii"), error.end


codecs.register_error("yunwei_hex", _hex_bytes)
