"""Rows of text: CSV of any separator, xlsx and xls."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, TextIO, cast

from yunwei.scan import workbook
from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.lines import head_text, opened_text
from yunwei.scan.source import MIB, Source, members

# The most characters of one cell: what scanners write is below, and Python's own limit of 131072 is too little.
_MOST_OF_A_CELL = 16 * MIB
_MOST_OF_A_ROW = 4 * _MOST_OF_A_CELL
_SEPARATORS = ",\t;"
_MARKUP = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)

Row = tuple[int, list[str]]


def csv_rows(source: Source, draft: Draft, encoding: str | None = None) -> Iterator[Row]:
    """Yield (line, cells) of each row that is not blank; cells may hold line ends.

    Raises ReportRefusedError with the line where quoting breaks, as it does in a file that is cut within a cell.
    """
    csv.field_size_limit(_MOST_OF_A_CELL)
    separator = _separator(head_text(source))
    with opened_text(source, encoding) as text:
        lines = _Lines(text, source.name)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        before = 0
        try:
            for cells in reader:
                line, before, lines.of_row = before + 1, reader.line_num, 0
                if any(cell.strip() for cell in cells):
                    yield line, cells
        except csv.Error as error:
            raise ReportRefusedError(
                f"no sound CSV: {error}. The report is damaged or cut off; export it once more",
                f"{source.name}, line {before + 1}",
            ) from error
    if not lines.last.endswith(("\n", "\r", '"')):
        draft.about.complete = False
        draft.warn("the last row has no line end: the report may be cut off there, what it lacks proves nothing")


class _Lines:
    """The lines of a text; remembers the last, and how many characters the row has that they are read for."""

    def __init__(self, text: TextIO, name: str) -> None:
        self._text, self._name, self._number = text, name, 0
        self.last = ""
        self.of_row = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(_MOST_OF_A_ROW - self.of_row + 1):
            self.last = line
            self._number += 1
            self.of_row += len(line)
            if self.of_row > _MOST_OF_A_ROW:
                place = f"{self._name}, line {self._number}"
                raise ReportRefusedError(f"a row of more than {_MOST_OF_A_ROW} characters", place)
            yield line


def _separator(head: str) -> str:
    line = head.splitlines()[0] if head.splitlines() else ""
    return max(_SEPARATORS, key=line.count)


def sheets(source: Source) -> list[tuple[str, list[Row]]]:
    """Return (name, rows) of each sheet of an xls or xlsx workbook.

    Raises ReportRefusedError for damage, and for what only attacks have in a workbook.
    """
    content = source.head(source.limits.office_bytes + 1)
    if len(content) > source.limits.office_bytes:
        raise ReportRefusedError(f"a workbook of more than {source.limits.office_bytes} bytes", source.name)
    if content[:2] == b"PK":
        _demand_harmless(source)
    return _read_apart(content, source)


def _read_apart(content: bytes, source: Source) -> list[tuple[str, list[Row]]]:
    """Return what a process of its own reads in a workbook."""
    with (
        tempfile.TemporaryFile() as faults,
        subprocess.Popen(
            [sys.executable, workbook.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=faults
        ) as child,
    ):
        # It prints nothing before it has read all; it may have ended before that.
        with contextlib.suppress(BrokenPipeError), cast(IO[bytes], child.stdin) as workbook_in:
            workbook_in.write(content)
        try:
            found = _sheets(cast(IO[bytes], child.stdout), source)
        except ReportRefusedError:
            child.kill()
            raise
        if child.wait():
            faults.seek(0)
            said = faults.read().decode("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else f"reading it was ended by signal {-child.returncode}, as for want of memory"
            raise ReportRefusedError(f"no sound workbook: {reason[:300]}. Save it once more", source.name)
    return found


def _sheets(printed: IO[bytes], source: Source) -> list[tuple[str, list[Row]]]:
    """Return what the reading process prints, up to the line within which it ended."""
    found: list[tuple[str, list[Row]]] = []
    most = left = source.limits.office_bytes
    while line := printed.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise ReportRefusedError(f"a workbook whose cells hold more than {most} bytes", source.name)
        if not line.endswith(b"\n"):
            break
        value = json.loads(line)
        if isinstance(value, str):
            found.append((value, []))
        else:
            found[-1][1].append((value[0], value[1]))
    return found


def _demand_harmless(source: Source) -> None:
    """Refuse a workbook that unpacks to too much or declares entities, which no office program writes."""
    total = 0
    for member in members(source):
        with member.open() as stream:
            tail = b""
            while piece := stream.read(MIB):
                total += len(piece)
                if total > source.limits.office_bytes:
                    raise ReportRefusedError(
                        f"the workbook unpacks to more than {source.limits.office_bytes} bytes", source.name
                    )
                if member.name.endswith((".xml", ".rels")) and _MARKUP.search((tail + piece).replace(b"\0", b"")):
                    raise ReportRefusedError("it declares a document type, which workbooks have not", member.name)
                tail = piece[-32:]


class Headings:
    """A heading row: which column has which meaning; headings are compared without case, spaces and line ends."""

    def __init__(self, cells: Sequence[str], meanings: dict[str, Sequence[str]]) -> None:
        plain = [_plain_heading(cell) for cell in cells]
        self.width = len(cells)
        self._cells = plain
        self._columns: dict[str, int] = {}
        for meaning, words in meanings.items():
            for word in words:
                if _plain_heading(word) in plain:
                    self._columns[meaning] = plain.index(_plain_heading(word))
                    break

    def has(self, *meanings: str) -> bool:
        """Tell whether there is a column for each meaning."""
        return all(meaning in self._columns for meaning in meanings)

    def get(self, cells: Sequence[str], meaning: str) -> str:
        """Return the cell of a meaning; empty where there is no such column or the row is shorter."""
        column = self._columns.get(meaning)
        return cells[column].strip() if column is not None and column < len(cells) else ""

    def repeated_in(self, cells: Sequence[str]) -> bool:
        """Tell whether a row is the heading once more, as in files that were put behind one another."""
        return [_plain_heading(cell) for cell in cells] == self._cells


def _plain_heading(cell: str) -> str:
    return "".join(cell.split()).strip("*：:").casefold().lstrip("\ufeff")
