"""The commands of scanners' reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from yunwei.cli.words import absolute, command, day, with_inventory

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
    show = command(scan, "show", "scan.show_report", "show a report's findings, the gravest first")
    show.add_argument("id", metavar="ID", help="a report's id, or its beginning")
    show.add_argument("--all", action="store_true", help="informational findings and what passed as well")
    show.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
    diff = command(scan, "diff", "scan.diff", "compare two reports; a host that was not scanned again is not fixed")
    diff.add_argument("old", metavar="OLD", help="the earlier report")
    diff.add_argument("new", metavar="NEW", help="the later report")
    _add_same_login(diff)
    diff.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
    waive = command(scan, "waive", "scan.waive", "record that a finding is accepted until a day")
    waive.add_argument("finding", metavar="FINDING", help="a finding's id, of `yunwei scan show`")
    waive.add_argument("--reason", required=True, help="why it may stay")
    waive.add_argument("--approver", required=True, help="who accepts it")
    waive.add_argument("--until", required=True, type=day, metavar="DATE", help="the last day, such as 2027-03-31")
    waive.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
    plan = command(scan, "plan", "scan_plan.plan", "show what is to be done about each finding: rule, update or people")
    plan.add_argument("id", metavar="ID", help="a report's id, or its beginning")
    plan.add_argument("-o", "--output", type=absolute, metavar="FILE", help="a new YAML file; by default it is printed")
    plan.add_argument("--notes", type=absolute, metavar="OLD", help="an earlier plan, whose notes are kept")
    with_inventory(plan)
    testing = command(
        scan, "retest", "scan_plan.self_test", "look on the hosts whether the findings' settings are right"
    )
    testing.add_argument("id", metavar="ID", help="a report's id, or its beginning")
    with_inventory(testing)
    feedback = command(scan, "feedback", "scan.feedback", "write what became of each finding (整改反馈)")
    feedback.add_argument("id", metavar="ID", help="the report that is answered")
    feedback.add_argument("--after", metavar="NEW", help="the re-scan; without it nothing is said to be fixed")
    _add_same_login(feedback)
    feedback.add_argument("-o", "--output", type=absolute, metavar="FILE", help="an xlsx, docx, csv or html file")
    feedback.add_argument(
        "--lang", choices=("zh", "en"), default="zh", help="language of the document (default: %(default)s)"
    )


def _add_same_login(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--same-login",
        action="store_true",
        help="you vouch that both scans logged in alike, or neither did; counts only where a report does not say",
    )
