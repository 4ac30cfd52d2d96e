"""The commands of scanners' reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from yunwei.cli.words import command, with_inventory

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_scan(commands: Commands) -> None:
    """Add the commands of scanners' reports."""
    scan = commands.add_parser("scan", help="read scanners' reports, compare them").add_subparsers(
        metavar="ACTION", required=True
    )
    reading = command(scan, "import", "scan.import_reports", "read reports, count, match hosts to the inventory, store")
    reading.add_argument("reports", nargs="+", type=Path, metavar="REPORT", help="a report as the scanner wrote it")
    reading.add_argument(
        "--host", metavar="NAME", help="the inventory's host that the report is on, where it is on one"
    )
    with_inventory(reading)
    listing = command(scan, "list", "scan.show_list", "list the stored reports")
    listing.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
    show = command(scan, "show", "scan.show_report", "show a report's findings, grouped by flaw")
    show.add_argument("id", metavar="ID", help="a report's id, or its beginning")
    show.add_argument("--all", action="store_true", help="informational findings and what passed as well")
    show.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
    diff = command(scan, "diff", "scan.diff", "compare two reports; a host that was not scanned again is not fixed")
    diff.add_argument("old", metavar="OLD", help="the earlier report")
    diff.add_argument("new", metavar="NEW", help="the later report")
    diff.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
