"""The words of the command line. Handlers are imported when called, so that `--help` is quick."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import yunwei
from yunwei.cli import (
    parser_backups,
    parser_calendar,
    parser_databases,
    parser_evidence,
    parser_gate,
    parser_logs,
    parser_scan,
    parser_watch,
)
from yunwei.cli.words import command, with_inventory, with_run

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; every command sets `handler`."""
    parser = argparse.ArgumentParser(
        prog="yunwei",
        description="Operations and maintenance as code: backup, second site, restore drills, evidence.",
        epilog="exit codes: 0 done, 1 failed, 2 usage or configuration, 3 refused by policy, 4 could not be judged",
    )
    parser.add_argument("--version", action="version", version=f"yunwei {yunwei.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_lab(commands)
    _add_policy(commands)
    _add_jobs(commands)
    parser_backups.add_backups(commands)
    parser_backups.add_drill(commands)
    parser_backups.add_recover(commands)
    parser_backups.add_inspect(commands)
    parser_databases.add_databases(commands)
    parser_logs.add_logs(commands)
    parser_watch.add_timers(commands)
    parser_watch.add_alerts(commands)
    parser_evidence.add_evidence(commands)
    parser_evidence.add_locks(commands)
    parser_calendar.add_calendar(commands)
    parser_scan.add_scan(commands)
    return parser


def _add_lab(commands: Commands) -> None:
    lab = commands.add_parser("lab", help="make, show, reset and remove the lab's hosts").add_subparsers(
        metavar="ACTION", required=True
    )
    command(lab, "up", "lab.up", "make the lab or what is missing of it")
    status = command(lab, "status", "lab.status", "show the lab's hosts and its Vault")
    status.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
    command(lab, "down", "lab.down", "remove the lab: its hosts, networks, keys and state")
    reset = command(lab, "reset", "lab.reset", "make one host, or every host, anew")
    reset.add_argument("host", nargs="?", help="the host to make anew (default: all)")


def _add_policy(commands: Commands) -> None:
    with_inventory(
        command(commands, "validate", "policy.validate", "check an inventory and its policy, every problem at once")
    )
    listing = command(commands, "list", "policy.show_list", "list jobs, systems, hosts or rules of hardening")
    listing.add_argument("what", choices=("jobs", "systems", "hosts", "rules"))
    with_inventory(listing)


def _add_jobs(commands: Commands) -> None:
    for name, handler, text in (
        ("plan", "jobs.plan", "show exactly what a job would do; changes nothing"),
        ("run", "jobs.run", "run a job, prove its result, record both"),
    ):
        parser = command(commands, name, handler, text)
        parser.add_argument("job", help="a job of `yunwei list jobs`")
        with_run(parser)
        parser.add_argument("--change", metavar="RUN", help="undo: the run whose change is taken back")
        parser.add_argument(
            "--accept-irreversible",
            action="append",
            default=[],
            metavar="RULE",
            help="harden-servers: a rule whose change cannot be undone (may be repeated)",
        )
        parser_gate.add_plan_options(parser, name)
    parser_gate.add_approve(commands)
    verify = command(commands, "verify", "jobs.verify", "prove the state that a job must have left")
    verify.add_argument("job", help="a job of `yunwei list jobs`")
    with_run(verify)
