"""What the commands of the command line have in common: their handlers, their types, the options of many."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from yunwei.paths import default_inventory

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Handler = Callable[[argparse.Namespace], int]


def _handler(name: str) -> Handler:
    module, function = name.split(".")

    def call(options: argparse.Namespace) -> int:
        return int(getattr(importlib.import_module(f"yunwei.cli.{module}"), function)(options))

    return call


def command(commands: Commands, name: str, handler: str, text: str) -> argparse.ArgumentParser:
    """Add a command; `handler` is `module.function` below yunwei.cli, imported when called so that --help is quick."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(handler=_handler(handler))
    return parser


def absolute(word: str) -> Path:
    """Return a path that stays right in another working folder, where Ansible and pytest are run."""
    return Path(word).absolute()


def moment(word: str) -> str:
    """Return an ISO 8601 time, which must have a zone, to the second."""
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{word!r} is no time with a zone, such as 2026-03-31T09:00:00+08:00")
    return found.isoformat(timespec="seconds")


def day(word: str) -> date:
    """Return a day, written YYYY-MM-DD."""
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is no day such as 2027-03-31") from None


def with_inventory(parser: argparse.ArgumentParser) -> None:
    """Add the options of whatever reads an inventory and shows something."""
    parser.add_argument(
        "-i", "--inventory", type=absolute, default=default_inventory(), help="inventory folder (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print exactly one JSON document on standard output")


def with_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of whatever runs a job."""
    parser.add_argument("--system", action="append", default=[], metavar="S", help="only this system (may be repeated)")
    parser.add_argument("--limit", metavar="HOSTS", help="only these inventory hosts, as Ansible's --limit")
    parser.add_argument("--now", action="store_true", help="produce even where nothing is due")
    with_inventory(parser)
