#!/usr/bin/python3
"""What an appender may ask of a repository: a filter over the requests of one HTTP/2 connection.

It looks at every request before it is passed on, so that nothing depends on what the server behind it lets through:
files are read and added; none is written again or removed but the locks that this connection made itself; the key that
a repository is made with is its only one. Standard library only.
"""

import hashlib
import os
import re
import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
KINDS = "data|index|keys|snapshots|locks"
_FILE = re.compile(r"/(?:(config)|(%s)/([0-9a-f]{64}))\Z" % KINDS)
_LISTING = re.compile(r"/(%s)/\Z" % KINDS)
_GREETING = re.compile(r"/file-[0-9]+\Z")  # restic asks for a file that is not there, to learn that somebody answers
_MAKING = "/?create=true"
_DATA, _HEADERS, _PUSH_PROMISE, _CONTINUATION = 0, 1, 5, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 32
_HEAD = struct.Struct(">BHBBL")
_MOST_HEADER_BYTES = 1 << 16


class RefusedError(Exception):
    """A request that is not allowed, or no request at all; the text says which."""


def place_of(path):
    """Return where the server keeps what a request calls `path`: packs lie in folders of their first two digits."""
    found = _FILE.match(path)
    return "/data/%s/%s" % (found.group(3)[:2], found.group(3)) if found and found.group(2) == "data" else path


class Rules:
    """What may be asked of the repository in one folder, by one connection."""

    def __init__(self, folder):
        """Remember the folder; nothing is in it yet where the repository is still to be made."""
        self._folder = folder
        self._begun = set()
        self.locks = set()

    def judge(self, method, path):
        """Raise RefusedError for a request that is not allowed; remember a lock that it makes."""
        found = _FILE.match(path)
        if method in ("GET", "HEAD") and (found or _LISTING.match(path) or _GREETING.match(path)):
            return
        if method == "POST" and path == _MAKING:
            return
        if method == "POST" and found:
            self._judge_new(path, found.group(2), found.group(3))
        elif method == "DELETE" and found and found.group(2) == "locks":
            if found.group(3) not in self.locks:
                raise RefusedError("%s is a lock that this connection did not make; it is not removed" % path)
        elif method == "DELETE" and path in self._begun and not self._is_whole(path, found.group(3)):
            # A client takes back what it was told could not be stored.
            raise RefusedError(
                "the disk: %s came and could not be stored; let this site's administrator look whether it is full"
                % path
            )
        elif method == "DELETE":
            raise RefusedError("%s is not removed: this site only takes what is added" % path)
        else:
            raise RefusedError("%s %s is no request of an appender" % (method, path))

    def _judge_new(self, path, kind, name):
        if os.path.lexists(self._folder + place_of(path)):
            raise RefusedError("%s is there and is not written again" % path)
        if kind == "keys" and self._has_key():
            raise RefusedError("%s is not added: only this site's administrator adds a repository key" % path)
        if kind == "locks":
            self.locks.add(name)
        self._begun.add(path)

    def _is_whole(self, path, name):
        """Return whether a file is there with all its content: restic names each by the SHA-256 of that."""
        try:
            with open(self._folder + place_of(path), "rb") as stream:
                return name in (None, hashlib.sha256(stream.read()).hexdigest())  # the only one without is config
        except OSError:
            return False

    def _has_key(self):
        folder = os.path.join(self._folder, "keys")
        return os.path.isdir(folder) and bool(os.listdir(folder))


class Filter:
    """The bytes of one connection, from the client: what has been judged may be passed on."""

    def __init__(self, judge, take):
        """Begin before the first byte.

        Args:
            judge: called with method and path of each request before it is passed on; raises what ends the connection.
            take: called with the number of bytes that come as content of a file, before they are passed on.
        """
        self._judge, self._take = judge, take
        self._decoder = hpack.Decoder()
        self._waiting = bytearray()
        self._passing = 0
        self._begun = False
        self._ends = None
        self._block = None
        self._open = {}

    def unfinished(self):
        """Return the paths of the files whose content has not come to its end."""
        return sorted(self._open.values())

    def feed(self, data):
        """Return what of `data`, and of what waited, may be passed on; raises RefusedError."""
        self._waiting += data
        passed = self._begin()
        while self._begun:
            piece = self._next()
            if not piece:
                break
            passed += piece
        return bytes(passed)

    def _begin(self):
        if self._begun:
            return bytearray()
        if not PREFACE.startswith(bytes(self._waiting[: len(PREFACE)])):
            raise RefusedError("what came is not the repository protocol")
        self._begun = len(self._waiting) >= len(PREFACE)
        return self._cut(len(PREFACE)) if self._begun else bytearray()

    def _cut(self, count):
        piece = self._waiting[:count]
        del self._waiting[:count]
        return piece

    def _next(self):
        """Return the next judged bytes, none where more must come first."""
        if self._passing:
            piece = self._cut(self._passing)
            self._passing -= len(piece)
            if not self._passing:
                self._open.pop(self._ends, None)
            return piece
        if len(self._waiting) < _HEAD.size:
            return None
        high, low, kind, flags, stream = _HEAD.unpack_from(self._waiting)
        size = high << 16 | low
        if kind in (_HEADERS, _CONTINUATION):
            return self._headers(size, kind, flags, stream & 0x7FFFFFFF)
        if kind == _PUSH_PROMISE or self._block is not None:
            raise RefusedError("what came is not the repository protocol")
        if kind == _DATA:
            if stream not in self._open:
                raise RefusedError("content came that belongs to no request")
            self._take(size)
            if flags & _END_STREAM and not size:
                del self._open[stream]
        self._passing = size
        self._ends = stream if kind == _DATA and flags & _END_STREAM else None
        return self._cut(_HEAD.size)

    def _headers(self, size, kind, flags, stream):
        if size > _MOST_HEADER_BYTES:
            raise RefusedError("the headers of a request are too long")
        if len(self._waiting) < _HEAD.size + size:
            return None
        piece = self._cut(_HEAD.size + size)
        content = bytes(piece[_HEAD.size :])
        if (kind == _HEADERS) != (self._block is None):
            raise RefusedError("the headers of a request are out of order")
        if kind == _HEADERS:
            self._block = (stream, flags, _bare(content, flags))
        else:
            first, first_flags, before = self._block
            if stream != first or len(before) + size > _MOST_HEADER_BYTES:
                raise RefusedError("the headers of a request are out of order or too long")
            self._block = (first, first_flags, before + content)
        if flags & _END_HEADERS:
            self._request(*self._block)
            self._block = None
        return piece

    def _request(self, stream, flags, block):
        try:
            headers = self._decoder.decode(block)
        except hpack.HeaderError as error:
            raise RefusedError("the headers of a request cannot be read: %s" % error) from None
        names = [name for name, _ in headers]
        if stream in self._open and not [name for name in names if name.startswith(":")]:
            del self._open[stream]  # what follows a content is its end
            return
        if names.count(":method") != 1 or names.count(":path") != 1:
            raise RefusedError("a request names no method or path, or two")
        asked = dict(headers)
        self._judge(asked[":method"], asked[":path"])
        if not flags & _END_STREAM:
            self._open[stream] = asked[":path"]


def _bare(content, flags):
    """Return the header bytes of a HEADERS frame, without padding and priority."""
    start, end = 0, len(content)
    if flags & _PADDED:
        start, end = 1, end - (content[0] if content else 0)
    if flags & _PRIORITY:
        start += 5
    if start > end:
        raise RefusedError("the headers of a request are not whole")
    return content[start:end]
