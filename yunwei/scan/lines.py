"""Text in an encoding that is found by its bytes."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.source import HEAD_BYTES, Source

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def encoding_of(source: Source) -> str:
    """Return the encoding of a text: by its mark, else UTF-8 if every byte of it is, else GB18030.

    Raises ReportRefusedError with the place where it is none of them.
    """
    head = source.head(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            _demand_decodable(source, encoding)
            return encoding
    try:
        _demand_decodable(source, "utf-8")
    except ReportRefusedError:
        _demand_decodable(source, "gb18030")
        return "gb18030"
    return "utf-8"


@contextmanager
def opened_text(source: Source, encoding: str | None = None) -> Iterator[TextIO]:
    """Open a text; line ends stay as they are."""
    chosen = encoding or encoding_of(source)
    with source.open() as stream:
        text = io.TextIOWrapper(stream, encoding=chosen, newline="")
        try:
            yield text
        finally:
            if not stream.closed:
                text.detach()  # the source closes its own stream


def head_text(source: Source) -> str:
    """Return the first characters for telling formats apart; what is cut at the end is left out."""
    head = source.head()
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return head.decode(encoding, "ignore")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(head)
    except UnicodeDecodeError:
        return head.decode("gb18030", "ignore")


def _demand_decodable(source: Source, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    place = 0
    with source.open() as stream:
        while True:
            piece = stream.read(HEAD_BYTES)
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeError as error:
                raise ReportRefusedError(f"its bytes are not {encoding}", f"{source.name}, byte {place}") from error
            place += len(piece)
            if not piece:
                return
