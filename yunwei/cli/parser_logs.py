"""The commands of archived logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yunwei.cli.words import absolute, command, day, with_inventory

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_logs(commands: Commands) -> None:
    """Add the commands of archived logs."""
    logs = commands.add_parser("logs", help="bring archived logs back").add_subparsers(metavar="ACTION", required=True)
    fetch = command(logs, "fetch", "logs.fetch", "bring archived log files of a host back; changes nothing at the site")
    fetch.add_argument("--host", required=True, metavar="H", help="the host whose log files they were")
    fetch.add_argument(
        "--path", required=True, metavar="P", help="a file, a folder or a glob: absolute paths on that host"
    )
    fetch.add_argument(
        "--from", dest="first", type=day, required=True, metavar="D", help="the first day of the files' last change"
    )
    fetch.add_argument("--to", dest="last", type=day, required=True, metavar="D", help="the last day of it")
    fetch.add_argument(
        "--site", choices=("local", "miyun"), default="local", help="from this site (default: %(default)s)"
    )
    fetch.add_argument(
        "--into", type=absolute, required=True, metavar="DIR", help="folder of this controller; nothing is overwritten"
    )
    fetch.add_argument("--system", metavar="S", help="the system, where the host has logs of several or none by now")
    with_inventory(fetch)
