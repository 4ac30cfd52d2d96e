"""What a terminal gets to see: one JSON document, or tables and lines a person reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PIPED_WIDTH = 180


def json_document(document: Any) -> None:
    """Print exactly one JSON document on standard output."""
    print(json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows as a table."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415

    shown = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*[printable(cell) for cell in row])
    terminal = sys.stdout.isatty()
    Console(markup=False, highlight=False, width=None if terminal else _PIPED_WIDTH).print(shown)


def progress(host: str, task: str, status: str) -> None:
    """Print one line of a running job on standard error."""
    if status != "started":
        print(f"  {host}: {printable(task)} … {status}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print one line for a person on standard error."""
    print(text, file=sys.stderr, flush=True)


def printable(cell: object) -> str:
    """Return text with control characters made visible; what hosts report must not steer a terminal."""
    text = "" if cell is None else str(cell)
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)


def size(count: object) -> str:
    """Return a number of bytes in the unit a person would use."""
    if not isinstance(count, int | float):
        return ""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def item_rows(items: Iterable[Mapping[str, Any]]) -> list[list[object]]:
    """Return the rows of a job's summary: host, system, item, status, what came of it."""
    return [
        [item.get("host"), item.get("system"), item.get("item"), item.get("status"), _detail(item)] for item in items
    ]


def _detail(item: Mapping[str, Any]) -> str:
    parts = [f"SUSPICIOUS: {text}" for text in item.get("suspicious") or []]
    parts += [str(item["reason"])] if item.get("reason") else []
    if item.get("record"):
        parts.append(f"record {str(item['record'])[:12]}")
    if item.get("bytes") is not None:
        parts.append(size(item["bytes"]))
    if item.get("next_due"):
        parts.append(f"next due {item['next_due']}")
    return ", ".join(parts)
