#!/usr/bin/python3
"""Reads the compressed headers of HTTP/2 requests (RFC 7541), as one side of one connection sends them.

Every block must be decoded in the order in which it came, because later ones point into earlier ones. Standard
library only.
"""

TABLE_BYTES = 4096
_ENTRY_BYTES = 32
_STATIC = (
    ":authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|"
    ":status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|"
    "accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|"
    "content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|"
    "cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|"
    "last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|"
    "retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"
)
STATIC = [tuple((entry + " ").split(" ", 1)) for entry in _STATIC.split("|")]
STATIC = [(name, value.strip()) for name, value in STATIC]
# Lengths of the Huffman codes of the bytes 0 to 255 and of the end (RFC 7541, appendix B). The code is canonical: it
# follows from the lengths.
_LENGTHS = (
    "13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28 "
    "6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10 "
    "13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6 "
    "15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28 "
    "20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24 "
    "22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23 "
    "26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27 "
    "20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26 "
    "30 "
)


class HeaderError(ValueError):
    """The bytes are no headers."""


def _codes():
    """Return {(length, code): symbol}."""
    found, code, before = {}, 0, 0
    for length, symbol in sorted((int(length), symbol) for symbol, length in enumerate(_LENGTHS.split())):
        code <<= length - before
        found[length, code] = symbol
        code, before = code + 1, length
    return found


_CODES = _codes()
_END = 256
_MOST_PADDING = 7
_MOST_SHIFT = 28  # four more bytes: far beyond what any length may be


def unpack(data):
    """Return the text that Huffman-coded bytes stand for."""
    out, code, length = bytearray(), 0, 0
    for byte in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | byte >> bit & 1, length + 1
            symbol = _CODES.get((length, code))
            if symbol is not None:
                if symbol == _END:
                    raise HeaderError("a text holds the sign of its end")
                out.append(symbol)
                code = length = 0
    if length > _MOST_PADDING or code != (1 << length) - 1:
        raise HeaderError("a text does not end as it must")
    return out.decode("latin-1")


class Block:
    """The bytes of one block, taken from the front."""

    def __init__(self, data):
        """Remember the bytes."""
        self._data = data
        self._at = 0

    def __bool__(self):
        """Tell whether there is more."""
        return self._at < len(self._data)

    def peek(self):
        """Return the next byte and leave it there."""
        return self._data[self._at]

    def take(self, count):
        """Return the next bytes."""
        if count > len(self._data) - self._at:
            raise HeaderError("the headers end too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, bits):
        """Return the number whose first part is the low `bits` of the next byte."""
        most = (1 << bits) - 1
        value = self.take(1)[0] & most
        shift = 0
        more = value == most
        while more:
            byte = self.take(1)[0]
            value += (byte & 0x7F) << shift
            shift += 7
            more = byte & 0x80
            if shift > _MOST_SHIFT:
                raise HeaderError("a number is too large")
        return value

    def text(self):
        """Return the next text."""
        packed = self.peek() & 0x80 if self else 0
        data = self.take(self.number(7))
        return unpack(data) if packed else data.decode("latin-1")


class Decoder:
    """The headers of one side of a connection."""

    def __init__(self):
        """Begin with an empty table."""
        self._table = []
        self._most = TABLE_BYTES

    def decode(self, data):
        """Return the headers in one whole block: [(name, value)]; raises HeaderError."""
        block, headers = Block(data), []
        while block:
            first = block.peek()
            if first & 0x80:
                headers.append(self._entry(block.number(7)))
            elif first & 0x40:
                headers.append(self._remember(self._literal(block, 6)))
            elif first & 0x20:
                self._resize(block.number(5))
            else:
                headers.append(self._literal(block, 4))
        return headers

    def _literal(self, block, bits):
        index = block.number(bits)
        name = self._entry(index)[0] if index else block.text()
        return name, block.text()

    def _entry(self, index):
        entries = len(STATIC) + len(self._table)
        if not 1 <= index <= entries:
            raise HeaderError("entry %d of %d is asked for" % (index, entries))
        return STATIC[index - 1] if index <= len(STATIC) else self._table[index - len(STATIC) - 1]

    def _remember(self, header):
        self._table.insert(0, header)
        self._shrink()
        return header

    def _resize(self, most):
        if most > TABLE_BYTES:
            raise HeaderError("a table of %d bytes is asked for" % most)
        self._most = most
        self._shrink()

    def _shrink(self):
        while sum(len(name) + len(value) + _ENTRY_BYTES for name, value in self._table) > self._most:
            self._table.pop()
