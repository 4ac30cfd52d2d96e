"""Feedback as a file: xlsx, docx, csv or html, told by the name's ending. Cells are text and never formulas."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from yunwei.errors import UsageError
from yunwei.report.render import environment
from yunwei.scan.feedback import Feedback

MOST_ROWS_OF_A_TEXT = 5000  # a word processor lays out every page of a table at once
_MOST_OF_A_CELL = 32_767  # what a spreadsheet's cell holds
_STARTS_OF_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_WIDTHS = (6, 8, 40, 18, 16, 10, 16, 32, 40, 26, 24, 50, 22)


def write(feedback: Feedback, path: Path) -> None:
    """Write a document to a path, whole or not at all.

    Raises UsageError for another ending, and for a docx of more rows than a word processor bears.
    """
    make = _MAKERS.get(path.suffix.lower())
    if make is None:
        raise UsageError(f"{path.name}: the ending must be one of {', '.join(_MAKERS)}")
    content = make(feedback)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(content)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet program takes for a formula when it reads CSV."""
    return f"'{cell}" if cell.startswith(_STARTS_OF_FORMULAS) else cell


def _csv(feedback: Feedback) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in _all_rows(feedback):
        writer.writerow([harmless(cell) for cell in row])
    return text.getvalue().encode("utf-8-sig")


def _xlsx(feedback: Feedback) -> bytes:
    import openpyxl  # noqa: PLC0415 - slow to import
    from openpyxl.styles import Alignment, Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    book = openpyxl.Workbook()
    book.remove(book.active)
    sheet = book.create_sheet(feedback.sheet)
    for number, row in enumerate(_all_rows(feedback), 1):
        for column, value in enumerate(row, 1):
            cell = sheet.cell(number, column)
            cell.value = value[:_MOST_OF_A_CELL]
            cell.data_type = "s"
            cell.quotePrefix = True
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if row is feedback.columns or number == 1:
                cell.font = Font(bold=True)
    for column, width in enumerate(_WIDTHS, 1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _docx(feedback: Feedback) -> bytes:
    import docx  # noqa: PLC0415 - slow to import
    from docx.enum.section import WD_ORIENT  # noqa: PLC0415
    from docx.shared import Mm  # noqa: PLC0415

    if len(feedback.rows) > MOST_ROWS_OF_A_TEXT:
        raise UsageError(f"{len(feedback.rows)} findings are too many for a docx; write an xlsx")
    document = docx.Document()
    page = document.sections[0]
    page.orientation, page.page_width, page.page_height = WD_ORIENT.LANDSCAPE, Mm(297), Mm(210)
    document.add_heading(feedback.title, 1)
    for what, value in feedback.facts:
        document.add_paragraph(f"{what}：{value}" if what else value)
    _docx_table(document, feedback.counts)
    document.add_paragraph()
    _docx_table(document, [feedback.columns, *feedback.rows])
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def _docx_table(document: object, rows: Sequence[Sequence[str]]) -> None:
    table = document.add_table(rows=len(rows), cols=len(rows[0]))  # type: ignore[attr-defined]
    table.style = "Table Grid"
    cells = table._cells  # the public way looks every cell up anew, which is slow for long tables
    for place, text in enumerate(cell for row in rows for cell in row):
        cells[place].text = text


def _html(feedback: Feedback) -> bytes:
    return environment().get_template("scan_feedback.html.j2").render(feedback=feedback).encode()


def _all_rows(feedback: Feedback) -> list[Sequence[str]]:
    return [[feedback.title], *feedback.facts, [], *feedback.counts, [], feedback.columns, *feedback.rows]


_MAKERS: dict[str, Callable[[Feedback], bytes]] = {".xlsx": _xlsx, ".docx": _docx, ".csv": _csv, ".html": _html}
