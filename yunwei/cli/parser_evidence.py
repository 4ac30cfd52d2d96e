"""The commands of the ledger and of locks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yunwei.cli.words import absolute, command, with_inventory

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_evidence(commands: Commands) -> None:
    """Add the commands of the ledger."""
    evidence = commands.add_parser("evidence", help="the ledger of what was done").add_subparsers(
        metavar="ACTION", required=True
    )
    with_inventory(command(evidence, "list", "evidence.show_list", "list the records"))
    show = command(evidence, "show", "evidence.show_record", "show one record, whole")
    show.add_argument("id", help="a record's id, or a run's")
    with_inventory(show)
    verify = command(
        evidence,
        "verify",
        "evidence.verify",
        "check every hash, signature and witnessed head; names the first bad record; exit 4 without a witness",
    )
    verify.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="the signing key's public half (default: the one stored in the ledger)",
    )
    verify.add_argument("--file", type=Path, help="an exported ledger instead of this controller's")
    verify.add_argument(
        "--witness", type=Path, metavar="FILE", help="the second site's list of heads: proves that no tail was cut"
    )
    verify.add_argument(
        "--witness-key", type=Path, metavar="FILE", help="the key that signs that list (default: the one in policy)"
    )
    with_inventory(verify)
    witness = command(
        evidence, "witness", "evidence.fetch_witness", "fetch the heads that the second site has countersigned"
    )
    witness.add_argument("-o", "--output", type=absolute, required=True, metavar="FILE", help="the file to write")
    witness.add_argument("--system", action="append", default=[], metavar="S", help="only this system's syncs")
    witness.add_argument("--witness-key", type=Path, metavar="FILE", help="the key that signs (default: in policy)")
    with_inventory(witness)
    export = command(evidence, "export", "evidence.export", "write the ledger as JSON lines")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the file to write")
    with_inventory(export)


def add_locks(commands: Commands) -> None:
    """Add the commands of locks."""
    locks = commands.add_parser("locks", help="which run holds which system").add_subparsers(
        metavar="ACTION", required=True
    )
    listing = command(
        locks, "list", "locks.show_list", "list the locks that are held, by which run, and what gives them back"
    )
    listing.add_argument("--hosts", action="store_true", help="ask the hosts as well who is at work on them; recorded")
    listing.add_argument(
        "--system", action="append", default=[], metavar="S", help="only this system (may be repeated)"
    )
    with_inventory(listing)
    release = command(locks, "release", "locks.release", "release the lock that a dead run left; recorded")
    release.add_argument("id", help="the system whose lock it is")
    release.add_argument("--reason", required=True, help="why; kept as evidence")
    with_inventory(release)
