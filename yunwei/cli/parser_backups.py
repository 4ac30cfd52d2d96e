"""The commands that make, copy, restore and inspect backups."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from yunwei.cli.words import absolute, command, moment, with_inventory, with_run

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_backups(commands: Commands) -> None:
    """Add the commands of backups."""
    backups = commands.add_parser("backups", help="list and verify backups").add_subparsers(
        metavar="ACTION", required=True
    )
    listing = command(backups, "list", "backups.show_list", "list accepted backups")
    verify = command(backups, "verify", "backups.verify", "read a repository back and compare it with its records")
    for parser in (listing, verify):
        parser.add_argument(
            "--site", choices=("local", "miyun"), default="local", help="which site (default: %(default)s)"
        )
        with_run(parser)
    release = command(
        backups,
        "release",
        "backups.release",
        "plan to remove local backups that the second site has not proven: to be approved, then run with --plan",
    )
    release.add_argument("--system", required=True, metavar="S", help="the system")
    release.add_argument(
        "--record", action="append", required=True, metavar="ID", help="a backup's record (may be repeated)"
    )
    release.add_argument("--reason", required=True, help="why it cannot wait; approved with the plan, kept as evidence")
    release.add_argument("-o", "--output", type=absolute, required=True, metavar="FILE", help="the plan's file")
    with_inventory(release)
    which = verify.add_mutually_exclusive_group()
    which.add_argument(
        "--part",
        metavar="n/t",
        help="read part n of t of all data, or next/t: the one read longest ago; t runs read everything "
        "(default: next/12)",
    )
    which.add_argument("--all", action="store_true", help="read all data")


def add_drill(commands: Commands) -> None:
    """Add the commands of drills."""
    drill = command(
        commands, "drill", "drill.drill", "restore a system onto an empty host, prove it, time it, destroy it"
    )
    drill.add_argument("--system", required=True, metavar="S", help="the system")
    drill.add_argument(
        "--site", choices=("miyun", "local"), default="miyun", help="restore from this site (default: %(default)s)"
    )
    drill.add_argument("--snapshot", metavar="[ITEM=]ID", help="this backup record instead of the newest")
    drill.add_argument(
        "--keep-on-failure", action="store_true", help="leave a failed restore on the drill host to look at"
    )
    drill.add_argument(
        "--sweep-kept", action="store_true", help="first remove what an earlier drill was told to keep on its host"
    )
    _with_hand_over(drill)
    drill.add_argument(
        "--participant", action="append", default=[], metavar="NAME=ROLE", help="who took part, for the report"
    )
    _with_report(drill, "drill")
    with_inventory(drill)


def _with_report(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--lang", choices=("zh", "en"), default="zh", help="language of the report (default: %(default)s)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help=f"folder for {name}.json and {name}.html (default: in the state folder)",
    )


def _with_hand_over(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--handed-over",
        type=moment,
        metavar="TIME",
        help="when the hardware was handed over, as 2026-03-31T09:00:00+08:00 (default: when the host was found fit)",
    )


def add_recover(commands: Commands) -> None:
    """Add the commands of recovery."""
    recover = command(commands, "recover", "drill.recover", "restore a system, a database, a table or files for real")
    recover.add_argument("--system", required=True, metavar="S", help="the system")
    recover.add_argument("--to", required=True, nargs="+", metavar="HOST", help="inventory hosts to restore to")
    recover.add_argument(
        "--site", choices=("miyun", "local"), default="local", help="restore from this site (default: %(default)s)"
    )
    recover.add_argument("--snapshot", metavar="[ITEM=]ID", help="this backup record instead of the newest")
    recover.add_argument("--database", metavar="D", help="only this database")
    recover.add_argument("--table", metavar="SCHEMA.T", help="only this table of --database")
    recover.add_argument("--into", metavar="SCHEMA|DIR", help="schema for --table, folder for --files")
    recover.add_argument("--files", metavar="GLOB", help="only files whose absolute path matches")
    recover.add_argument(
        "--replace",
        action="append",
        default=[],
        metavar="NAME",
        help="allow this existing database or path to be replaced, after a safety copy",
    )
    _with_hand_over(recover)
    with_inventory(recover)


def add_inspect(commands: Commands) -> None:
    """Add the commands of inspections."""
    inspect = commands.add_parser("inspect", help="inspect what the backups depend on").add_subparsers(
        metavar="WHAT", required=True
    )
    sites = command(
        inspect,
        "backup-sites",
        "inspection.backup_sites",
        "look at both sites, hold them against policy, write a report",
    )
    sites.add_argument("--site", choices=("local", "miyun"), help="only this site (default: both)")
    sites.add_argument("--system", action="append", default=[], metavar="S", help="only this system (may be repeated)")
    _with_report(sites, "inspect")
    with_inventory(sites)
