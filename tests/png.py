"""Reads the PNG files that a browser writes: 8 bits a channel, not interlaced."""

import struct
import zlib
from collections.abc import Iterator


def grey_rows(data: bytes) -> list[list[int]]:
    """Return the picture as rows of brightness, 0 black to 255 white, as a black-and-white print shows it."""
    chunks = dict(_chunks(data))
    width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", chunks["IHDR"])
    assert (depth, interlaced) == (8, 0)
    size = {2: 3, 6: 4}[colours]
    raw = zlib.decompress(chunks["IDAT"])
    stride = width * size
    above, rows = bytearray(stride), []
    for index in range(height):
        begin = index * (stride + 1)
        line = _unfilter(raw[begin], bytearray(raw[begin + 1 : begin + 1 + stride]), above, size)
        rows.append([(line[x] * 299 + line[x + 1] * 587 + line[x + 2] * 114) // 1000 for x in range(0, stride, size)])
        above = line
    return rows


def dark_share(data: bytes, below: int = 128) -> float:
    """Return which part of the picture is darker than a brightness, 0 to 1."""
    rows = grey_rows(data)
    return sum(value < below for row in rows for value in row) / sum(len(row) for row in rows)


def _chunks(data: bytes) -> Iterator[tuple[str, bytes]]:
    place, pixels = 8, b""
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        pixels += body if kind == b"IDAT" else b""
        yield kind.decode(), body
        place += length + 12
    yield "IDAT", pixels


def _unfilter(kind: int, line: bytearray, above: bytearray, size: int) -> bytearray:
    for index in range(len(line)):
        left = line[index - size] if index >= size else 0
        up = above[index]
        if kind == 1:
            line[index] = (line[index] + left) & 255
        elif kind == 2:
            line[index] = (line[index] + up) & 255
        elif kind == 3:
            line[index] = (line[index] + (left + up) // 2) & 255
        elif kind == 4:
            corner = above[index - size] if index >= size else 0
            line[index] = (line[index] + _paeth(left, up, corner)) & 255
    return line


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    near = sorted(((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner)))
    return near[0][2]
