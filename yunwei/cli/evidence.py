"""`yunwei evidence`."""

from __future__ import annotations

import argparse

from yunwei import ledger
from yunwei.cli import show


def show_list(options: argparse.Namespace) -> int:
    """List the records, oldest first."""
    rows = ledger.open_default(options.inventory).list()
    if options.json:
        show.json_document(rows)
    else:
        columns = ("id", "kind", "time", "job", "who", "status", "signed")
        show.table(columns, [[row.get(column) for column in columns] for row in rows], "evidence")
    return 0


def show_one(options: argparse.Namespace) -> int:
    """Show one record, whole."""
    show.json_document(ledger.open_default(options.inventory).show(options.id))
    return 0
