"""Reads the GNU tar streams that the source program writes, alike on every Python.

Python 2's tarfile stops without a word at a time before 1970; here whatever is not understood is an error.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

_SIZE = 512
_LONG_NAME, _LONG_LINK, _FILE = b"L", b"K", (b"0", b"\0")
_LONGEST_NAME = 1 << 20


class TarError(Exception):
    """The stream is not a whole GNU tar stream."""


class TarStream:
    """Walks through a tar stream in an open file; `size` is that of the member at hand."""

    def __init__(self, stream):
        """Read from `stream`, a file object of bytes at the start of the tar stream."""
        self._stream = stream
        self._left = 0
        self._padding = 0
        self.size = 0

    def files(self):
        """Yield the name (bytes) of each regular file in turn; its content is read by blocks() before the next one."""
        name = None
        while True:
            header = self._header()
            if header is None:
                return
            kind = header[156:157]
            if kind in (_LONG_NAME, _LONG_LINK):
                text = self._long_text()
                name = text if kind == _LONG_NAME else name
                continue
            if kind in _FILE:
                yield name if name is not None else header[:100].rstrip(b"\0")
            name = None

    def blocks(self, size=1 << 20):
        """Yield the content of the file at hand."""
        while self._left:
            block = self._stream.read(min(size, self._left))
            if not block:
                raise TarError("the stream ends inside a file")
            self._left -= len(block)
            yield block

    def _header(self):
        """Return the next header, None at the end; what was not read of the member before is passed over."""
        for _block in self.blocks():
            pass
        if len(self._stream.read(self._padding)) != self._padding:
            raise TarError("the stream ends behind a file")
        header = self._stream.read(_SIZE)
        if len(header) != _SIZE:
            raise TarError("the stream ends without its end mark")
        if header == b"\0" * _SIZE:
            return None
        total = sum(bytearray(header[:148])) + 8 * 32 + sum(bytearray(header[156:]))
        if _number(header[148:156]) != total:
            raise TarError("a header's check sum is wrong")
        self.size = self._left = _number(header[124:136])
        self._padding = -self.size % _SIZE
        return header

    def _long_text(self):
        if self.size > _LONGEST_NAME:
            raise TarError("a name of %d bytes" % self.size)
        return b"".join(list(self.blocks())).rstrip(b"\0")


def _number(field):
    """Return the number in a header's field: octal, or base 256 where that does not fit."""
    raw = bytearray(field)
    if raw[0] & 0x80:
        value = 0
        for code in [raw[0] & 0x7F] + list(raw[1:]):
            value = value << 8 | code
        return value
    try:
        return int(bytes(field).strip(b" \0") or b"0", 8)
    except ValueError:
        raise TarError("a header holds no number")
