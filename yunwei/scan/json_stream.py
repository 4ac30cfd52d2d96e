"""JSON read in pieces; the only user of ijson."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import ijson
from ijson.common import ObjectBuilder

from yunwei.scan.errors import ReportRefusedError, said_by
from yunwei.scan.source import MIB, Source

_MOST_LEVELS = 50
_MOST_OF_A_VALUE = 16 * MIB


class _Text:
    """The bytes as UTF-8, whatever Unicode encoding they are in; counts them."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name
        self.read_bytes = 0
        self.limit: int | None = None
        self._first = True

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        if self._first and size > 0:
            self._first = False
            if piece[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise ReportRefusedError("JSON in UTF-16; save it as UTF-8", self._name)
            piece = piece.removeprefix(b"\xef\xbb\xbf")
        self.read_bytes += len(piece)
        if self.limit is not None and self.read_bytes > self.limit:
            raise ReportRefusedError(f"one value is of more than {_MOST_OF_A_VALUE} bytes", self._name)
        return piece


def _shallow(events: Iterable[tuple[str, Any]], name: str) -> Iterator[tuple[str, Any]]:
    """Yield the events; each level's prefix holds those above it, so what is deep without end fills all memory."""
    depth = 0
    for event in events:
        depth += event[0] in ("start_map", "start_array")
        depth -= event[0] in ("end_map", "end_array")
        if depth > _MOST_LEVELS:
            raise ReportRefusedError(f"lists and objects in more than {_MOST_LEVELS} levels", name)
        yield event


def values(source: Source, whole: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Yield (prefix, value) of every scalar, and of the objects at the prefixes of `whole` in one piece.

    A prefix is `Results.item.Target`; opened lists outside of `whole` are yielded as (prefix, []). Raises
    ReportRefusedError with the place for damage, also for anything behind the document's end.
    """
    with source.open() as stream:
        text = _Text(stream, source.name)
        builder, inside = None, ""
        try:
            events = ijson.basic_parse(text, buf_size=MIB // 16, use_float=True)
            for prefix, event, value in ijson.parse(_shallow(events, source.name)):
                if builder is not None:
                    builder.event(event, value)
                    if prefix == inside and event == "end_map":
                        yield inside, builder.value
                        builder, text.limit = None, None
                elif event == "start_map" and prefix in whole:
                    builder, inside = ObjectBuilder(), prefix
                    builder.event(event, value)
                    text.limit = text.read_bytes + _MOST_OF_A_VALUE
                elif event == "start_array":
                    yield prefix, []
                elif event in ("string", "number", "boolean", "null"):
                    yield prefix, value
        except (ijson.JSONError, ValueError) as error:
            raise ReportRefusedError(
                f"no sound JSON: {said_by(error)}. The report is damaged or cut off; export it once more",
                f"{source.name}, before byte {text.read_bytes}",
            ) from error


def text(value: Any, *path: str) -> str:
    """Return the text or number at a path of keys, empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def mapping(value: Any, key: str) -> dict[str, Any]:
    """Return the object below a key; an empty one where it is missing or something else."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def rows(value: Any, key: str) -> list[dict[str, Any]]:
    """Return the objects of a list below a key; none where it is missing or null."""
    found = value.get(key) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
