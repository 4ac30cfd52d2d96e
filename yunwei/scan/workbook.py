"""Reads a workbook in a process of its own: the only user of calamine.

Its Rust code makes room for every cell between the first and the last, so that two cells can ask for all memory, and it
ends the process where it gets none. Run as a script with the workbook on standard input; needs nothing of yunwei.
Prints a line of JSON for each sheet (its name) and for each row that is not blank (number, cells as text).
"""

from __future__ import annotations

import datetime
import io
import json
import resource
import sys
from typing import Any

import python_calamine

MEMORY_BYTES = 1 << 30
PROCESSOR_SECONDS = 120
FAULT_BYTES = 1 << 20


def main() -> None:
    """Read standard input, write standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FAULT_BYTES, FAULT_BYTES))  # of standard error, which is a file
    workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
    for name in workbook.sheet_names:
        print(json.dumps(name))
        for number, cells in enumerate(workbook.get_sheet_by_name(name).iter_rows(), 1):
            texts = [_text(cell) for cell in cells]
            if any(texts):
                print(json.dumps([number, texts]))


def _text(cell: Any) -> str:
    """Return a cell as people see it: 22.0 is the port 22."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime | datetime.date):
        return cell.isoformat()
    return str(cell).strip()


if __name__ == "__main__":
    main()
