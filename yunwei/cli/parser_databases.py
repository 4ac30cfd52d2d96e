"""The commands of databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yunwei.cli.words import command, with_inventory

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_databases(commands: Commands) -> None:
    """Add the commands of databases."""
    databases = commands.add_parser("db", help="look at databases").add_subparsers(metavar="ACTION", required=True)
    inspect = command(
        databases,
        "inspect",
        "databases.inspect",
        "look at the databases of systems; exit 0 in order, 1 findings, 4 could not be judged",
    )
    inspect.add_argument("--system", action="append", default=[], metavar="S", help="only this system (repeatable)")
    inspect.add_argument("--limit", metavar="HOSTS", help="only these inventory hosts, as Ansible's --limit")
    inspect.add_argument(
        "--lang", choices=("zh", "en"), default="zh", help="language of the findings (default: %(default)s)"
    )
    with_inventory(inspect)
