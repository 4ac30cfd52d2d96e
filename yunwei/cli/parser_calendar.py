"""The commands of the calendar."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from yunwei.cli.words import command, with_inventory
from yunwei.jobs import JobClass

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def _days(word: str) -> int:
    if not word.isascii() or not word.isdigit() or not 1 <= int(word) <= 400:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of days from 1 to 400")
    return int(word)


def add_calendar(commands: Commands) -> None:
    """Add the commands of the calendar."""
    calendar = commands.add_parser("calendar", help="when disruptive work may begin").add_subparsers(
        metavar="ACTION", required=True
    )
    show = command(calendar, "show", "calendar.show_agenda", "show windows, freezes and holidays in the order of time")
    show.add_argument("--days", type=_days, default=30, help="how many days, 1 to 400 (default: %(default)s)")
    check = command(calendar, "check", "calendar.check", "tell whether a change may begin; exit 3 where it may not")
    what = check.add_mutually_exclusive_group(required=True)
    what.add_argument("--job", metavar="J", help="a job of `yunwei list jobs`")
    classes = [job_class.value for job_class in JobClass]
    what.add_argument("--class", dest="job_class", choices=classes, help="the kind of a change that is no job")
    check.add_argument("--duration", required=True, metavar="D", help="how long it takes: 45m, 1h30m, 1d")
    for parser, at in ((show, "begin"), (check, "ask for")):
        parser.add_argument("--system", metavar="S", help="this system, with all its hosts")
        parser.add_argument("--host", metavar="H", help="this host, with every system it serves")
        parser.add_argument("--at", metavar="TIME", help=f"{at} this time instead of now: 2027-02-05T18:00")
        with_inventory(parser)
    export = command(calendar, "export", "calendar.export", "write windows and freezes as an iCalendar file")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the file to write")
    with_inventory(export)
    _add_calendar_import(calendar)


def _add_calendar_import(calendar: Commands) -> None:
    parser = command(
        calendar, "import", "calendar.import_file", "print the policy for an iCalendar file's events; changes nothing"
    )
    parser.add_argument("file", type=Path, help="the iCalendar file")
    parser.add_argument(
        "--as",
        dest="unmarked",
        choices=("freeze", "window"),
        default="freeze",
        help="what events become that no export of yunwei marked (default: %(default)s)",
    )
    for word in ("system", "host"):
        text = f"these events are for this {word} only (may be repeated)"
        parser.add_argument(f"--{word}", action="append", default=[], metavar=word[0].upper(), help=text)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the policy to this new file instead")
    with_inventory(parser)
