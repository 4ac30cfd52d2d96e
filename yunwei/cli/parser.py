"""The words of the command line. Handlers are imported when called, so that `--help` is quick."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import yunwei
from yunwei.jobs import JobClass
from yunwei.paths import default_inventory

Handler = Callable[[argparse.Namespace], int]
Commands = "argparse._SubParsersAction[argparse.ArgumentParser]"


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
    _add_backups(commands)
    _add_drill(commands)
    _add_recover(commands)
    _add_inspect(commands)
    _add_timers(commands)
    _add_alerts(commands)
    _add_evidence(commands)
    _add_locks(commands)
    _add_calendar(commands)
    return parser


def _handler(name: str) -> Handler:
    module, function = name.split(".")

    def call(options: argparse.Namespace) -> int:
        return int(getattr(importlib.import_module(f"yunwei.cli.{module}"), function)(options))

    return call


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, handler: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(handler=_handler(handler))
    return parser


def _absolute(word: str) -> Path:
    """Return a path that stays right in another working folder, where Ansible and pytest are run."""
    return Path(word).absolute()


def _moment(word: str) -> str:
    """Return an ISO 8601 time, which must have a zone, to the second."""
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{word!r} is no time with a zone, such as 2026-03-31T09:00:00+08:00")
    return found.isoformat(timespec="seconds")


def _with_inventory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--inventory", type=_absolute, default=default_inventory(), help="inventory folder (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")


def _with_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--system", action="append", default=[], metavar="S", help="only this system (may be repeated)")
    parser.add_argument("--limit", metavar="HOSTS", help="only these inventory hosts, as Ansible's --limit")
    parser.add_argument("--now", action="store_true", help="produce even where nothing is due")
    _with_inventory(parser)


def _add_lab(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    lab = commands.add_parser("lab", help="make, show, reset and remove the lab's hosts").add_subparsers(
        metavar="ACTION", required=True
    )
    _command(lab, "up", "lab.up", "make the lab or what is missing of it")
    status = _command(lab, "status", "lab.status", "show the lab's hosts and its Vault")
    status.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")
    _command(lab, "down", "lab.down", "remove the lab: its hosts, networks, keys and state")
    reset = _command(lab, "reset", "lab.reset", "make one host, or every host, anew")
    reset.add_argument("host", nargs="?", help="the host to make anew (default: all)")


def _add_policy(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _with_inventory(
        _command(commands, "validate", "policy.validate", "check an inventory and its policy, every problem at once")
    )
    listing = _command(commands, "list", "policy.show_list", "list jobs, systems or hosts")
    listing.add_argument("what", choices=("jobs", "systems", "hosts"))
    _with_inventory(listing)


def _add_jobs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, handler, text in (
        ("plan", "jobs.plan", "show exactly what a job would do; changes nothing"),
        ("run", "jobs.run", "run a job, prove its result, record both"),
    ):
        parser = _command(commands, name, handler, text)
        parser.add_argument("job", help="a job of `yunwei list jobs`")
        _with_run(parser)
    verify = _command(commands, "verify", "jobs.verify", "prove the state that a job must have left")
    verify.add_argument("job", help="a job of `yunwei list jobs`")
    _with_run(verify)


def _add_backups(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backups = commands.add_parser("backups", help="list and verify backups").add_subparsers(
        metavar="ACTION", required=True
    )
    listing = _command(backups, "list", "backups.show_list", "list accepted backups")
    verify = _command(backups, "verify", "backups.verify", "read a repository back and compare it with its records")
    for parser in (listing, verify):
        parser.add_argument(
            "--site", choices=("local", "miyun"), default="local", help="which site (default: %(default)s)"
        )
        _with_run(parser)
    which = verify.add_mutually_exclusive_group()
    which.add_argument("--part", metavar="n/t", help="read part n of t of all data; t runs read everything")
    which.add_argument("--all", action="store_true", help="read all data")


def _add_drill(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    drill = _command(
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
    _with_inventory(drill)


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
        type=_moment,
        metavar="TIME",
        help="when the hardware was handed over, as 2026-03-31T09:00:00+08:00 (default: when the host was found fit)",
    )


def _add_recover(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    recover = _command(commands, "recover", "drill.recover", "restore a system, a database, a table or files for real")
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
    _with_inventory(recover)


def _add_inspect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    inspect = commands.add_parser("inspect", help="inspect what the backups depend on").add_subparsers(
        metavar="WHAT", required=True
    )
    sites = _command(
        inspect,
        "backup-sites",
        "inspection.backup_sites",
        "look at both sites, hold them against policy, write a report",
    )
    sites.add_argument("--site", choices=("local", "miyun"), help="only this site (default: both)")
    sites.add_argument("--system", action="append", default=[], metavar="S", help="only this system (may be repeated)")
    _with_report(sites, "inspect")
    _with_inventory(sites)


def _add_timers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    timers = commands.add_parser("timers", help="the jobs that run by themselves").add_subparsers(
        metavar="ACTION", required=True
    )
    log_in = _command(
        timers, "log-in", "timers.log_in", "hand each timer its Vault login, in memory; after every start of the host"
    )
    log_in.add_argument("--renew", action="store_true", help="replace logins that are there; the old ones end")
    _with_inventory(log_in)


def _add_alerts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    alerts = commands.add_parser("alerts", help="who is told when copies grow too old").add_subparsers(
        metavar="ACTION", required=True
    )
    rules = _command(
        alerts, "rules", "alerts.rules", "show the rules for the second site's watch, to hand to its administrator"
    )
    rules.add_argument("-o", "--output", type=_absolute, metavar="FILE", help="write them to this file instead")
    _with_inventory(rules)


def _add_evidence(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    evidence = commands.add_parser("evidence", help="the ledger of what was done").add_subparsers(
        metavar="ACTION", required=True
    )
    _with_inventory(_command(evidence, "list", "evidence.show_list", "list the records"))
    show = _command(evidence, "show", "evidence.show_record", "show one record, whole")
    show.add_argument("id", help="a record's id, or a run's")
    _with_inventory(show)
    verify = _command(
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
    _with_inventory(verify)
    witness = _command(
        evidence, "witness", "evidence.fetch_witness", "fetch the heads that the second site has countersigned"
    )
    witness.add_argument("-o", "--output", type=_absolute, required=True, metavar="FILE", help="the file to write")
    witness.add_argument("--system", action="append", default=[], metavar="S", help="only this system's syncs")
    witness.add_argument("--witness-key", type=Path, metavar="FILE", help="the key that signs (default: in policy)")
    _with_inventory(witness)
    export = _command(evidence, "export", "evidence.export", "write the ledger as JSON lines")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the file to write")
    _with_inventory(export)


def _add_locks(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    locks = commands.add_parser("locks", help="which run holds which system").add_subparsers(
        metavar="ACTION", required=True
    )
    listing = _command(locks, "list", "locks.show_list", "list the locks that are held, and until when")
    listing.add_argument(
        "--system", action="append", default=[], metavar="S", help="only this system (may be repeated)"
    )
    _with_inventory(listing)
    release = _command(locks, "release", "locks.release", "release the lock that a dead run left; recorded")
    release.add_argument("id", help="the system whose lock it is")
    release.add_argument("--reason", required=True, help="why; kept as evidence")
    _with_inventory(release)


def _days(word: str) -> int:
    if not word.isascii() or not word.isdigit() or not 1 <= int(word) <= 400:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of days from 1 to 400")
    return int(word)


def _add_calendar(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    calendar = commands.add_parser("calendar", help="when disruptive work may begin").add_subparsers(
        metavar="ACTION", required=True
    )
    show = _command(calendar, "show", "calendar.show_agenda", "show windows, freezes and holidays in the order of time")
    show.add_argument("--days", type=_days, default=30, help="how many days, 1 to 400 (default: %(default)s)")
    check = _command(calendar, "check", "calendar.check", "tell whether a change may begin; exit 3 where it may not")
    what = check.add_mutually_exclusive_group(required=True)
    what.add_argument("--job", metavar="J", help="a job of `yunwei list jobs`")
    classes = [job_class.value for job_class in JobClass]
    what.add_argument("--class", dest="job_class", choices=classes, help="the kind of a change that is no job")
    check.add_argument("--duration", required=True, metavar="D", help="how long it takes: 45m, 1h30m, 1d")
    for parser, at in ((show, "begin"), (check, "ask for")):
        parser.add_argument("--system", metavar="S", help="this system, with all its hosts")
        parser.add_argument("--host", metavar="H", help="this host, with every system it serves")
        parser.add_argument("--at", metavar="TIME", help=f"{at} this time instead of now: 2027-02-05T18:00")
        _with_inventory(parser)
    export = _command(calendar, "export", "calendar.export", "write windows and freezes as an iCalendar file")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the file to write")
    _with_inventory(export)
    _add_calendar_import(calendar)


def _add_calendar_import(calendar: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
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
    _with_inventory(parser)
