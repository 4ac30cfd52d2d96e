"""The commands of databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yunwei.cli.words import command, with_inventory

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_databases(commands: Commands) -> None:
    """Add the commands of databases."""
    databases = commands.add_parser("db", help="look at databases").add_subparsers(metavar="ACTION", required=True)
    _add_look(
        databases, "inspect", "look at the databases of systems; exit 0 in order, 1 findings, 4 could not be judged"
    )
    _add_look(
        databases,
        "tune",
        "advise on memory, CPU and parameters, changing nothing; exit 0 nothing to propose, 1 advice, "
        "4 could not be judged",
    )

    purge = command(
        databases,
        "purge",
        "databases.purge",
        "export old rows into the system's repository, read them back, then delete them, inside the window",
    )
    purge.add_argument("--system", required=True, metavar="S", help="the system")
    purge.add_argument("--rule", metavar="R", help="only this history rule")
    with_inventory(purge)


def _add_look(databases: Commands, name: str, text: str) -> None:
    look = command(databases, name, f"databases.{name}", text)
    look.add_argument("--system", action="append", default=[], metavar="S", help="only this system (repeatable)")
    look.add_argument("--limit", metavar="HOSTS", help="only these inventory hosts, as Ansible's --limit")
    look.add_argument(
        "--lang", choices=("zh", "en"), default="zh", help="language of the findings (default: %(default)s)"
    )
    with_inventory(look)
