"""`yunwei evidence`."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from yunwei import ledger
from yunwei.cli import show
from yunwei.errors import UsageError


def show_list(options: argparse.Namespace) -> int:
    """List runs and other records, oldest first."""
    rows = ledger.Ledger.open().list()
    if options.json:
        show.json_document(rows)
    else:
        columns = ("id", "kind", "time", "job", "who", "status", "verification", "signed")
        show.table(columns, [[row.get(column) for column in columns] for row in rows], "evidence")
    return 0


def show_record(options: argparse.Namespace) -> int:
    """Show one record, whole, as JSON."""
    show.json_document(ledger.Ledger.open().show(options.id))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check every hash and signature; exit 1 naming the first bad record."""
    trusted = None
    if options.public_key:
        try:
            text = options.public_key.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--public-key: {options.public_key} cannot be read: {error}") from error
        trusted = ledger.load_public_keys(text)
    result = ledger.verify_export(options.file, trusted) if options.file else ledger.Ledger.open().verify(trusted)
    if options.json:
        show.json_document(result.to_json())
    else:
        _print(result)
    return 0 if result.ok else 1


def _print(result: ledger.VerifyResult) -> None:
    if not result.ok:
        print(
            f"BAD: record {result.first_bad} ({show.printable(result.first_bad_id)}): {show.printable(result.reason)}"
        )
    print(f"{result.count} records, head {result.head}")
    print(f"{result.unsigned} unsigned (waiting for Vault), {result.signed_later} signed later")
    if not result.keys_trusted:
        print("the public key came from the ledger itself; give the one you keep elsewhere with --public-key")


def export(options: argparse.Namespace) -> int:
    """Write the ledger as JSON lines to a new file."""
    try:
        head = ledger.Ledger.open().export(options.output)
    except OSError as error:
        raise UsageError(f"{options.output} cannot be written: {error}") from error
    if options.json:
        show.json_document({"path": str(options.output), "head": asdict(head)})
    else:
        print(f"{options.output}: {head.count} records, head {head.hash}")
    return 0
