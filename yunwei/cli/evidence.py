"""`yunwei evidence`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from yunwei import launch, ledger, policy
from yunwei.cli import jobs, show
from yunwei.errors import UsageError
from yunwei.jobs import find_job
from yunwei.work.pins import read_public_file


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
    """Check every hash, signature and witnessed head; exit 1 naming the first bad record, 4 without a witness."""
    trusted, witnessed = _trusted(options), _witnessed(options)
    if options.file:
        result = ledger.verify_export(options.file, trusted, witnessed)
    else:
        result = ledger.Ledger.open().verify(trusted, witnessed)
    if options.json:
        show.json_document(result.to_json())
    else:
        _print(result)
    if not result.ok:
        return 1
    return 4 if result.witnessed is None else 0


def _trusted(options: argparse.Namespace) -> list[bytes] | None:
    if not options.public_key:
        return None
    try:
        text = options.public_key.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--public-key: {options.public_key} cannot be read: {error}") from error
    return ledger.load_public_keys(text)


def _witnessed(options: argparse.Namespace) -> tuple[ledger.WitnessedHead, ...]:
    if options.witness:
        return ledger.load_heads(options.witness, _witness_key(options))
    if options.witness_key:
        raise UsageError("--witness-key goes with --witness: the list that the key has signed")
    return ()


def _witness_key(options: argparse.Namespace) -> str:
    """Return the public key that is given, or the one that policy pins."""
    what = "the key that signs the second site's receipts and heads"
    return read_public_file(options.witness_key or _pinned_key(options.inventory), what)


def _pinned_key(inventory: Path) -> Path:
    return Path(policy.load(inventory).estate.sites.miyun.receipt_public_key_file)


def _print(result: ledger.VerifyResult) -> None:
    if not result.ok:
        print(
            f"BAD: record {result.first_bad} ({show.printable(result.first_bad_id)}): {show.printable(result.reason)}"
        )
    print(f"{result.count} records, head {result.head}")
    print(f"{result.unsigned} unsigned (waiting for Vault), {result.signed_later} signed later")
    _print_tail(result)
    if not result.keys_trusted:
        print("the public key came from the ledger itself; give the one you keep elsewhere with --public-key")


def _print_tail(result: ledger.VerifyResult) -> None:
    if result.witnessed is None:
        print(
            "tail not proven: no witness said how many records there were; fetch the list of the second site with "
            "`yunwei evidence witness -o FILE` and give it with --witness"
        )
    else:
        newest = f"witnessed up to record {result.witnessed}, at {show.printable(result.witnessed_at)}"
        print(f"{newest}; {result.not_witnessed} newer ones are not witnessed yet")


def fetch_witness(options: argparse.Namespace) -> int:
    """Fetch the heads that the second site has countersigned into a new file, and check their signatures."""
    if options.output.exists():
        raise UsageError(f"{options.output} is there already; name a new file")
    variables = {"yunwei_output": str(options.output)}
    request = launch.Request(find_job("list-heads"), options.inventory, options.system, variables=variables)
    result = launch.launch(request, show.progress)
    if result.exit_code:
        jobs.print_result(result, as_json=options.json)
        return result.exit_code
    heads = ledger.load_heads(options.output, _witness_key(options))
    newest = asdict(heads[-1]) if heads else None
    if options.json:
        show.json_document({"path": str(options.output), "heads": len(heads), "newest": newest})
    elif newest is None:
        print(f"{options.output}: no head yet; `yunwei run sync-to-miyun` has the second site countersign one")
    else:
        end = f"record {newest['head']['count']}, {newest['head']['hash']}"
        print(f"{options.output}: {len(heads)} heads, the newest seen at {newest['time']}: {end}")
    return 0


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
