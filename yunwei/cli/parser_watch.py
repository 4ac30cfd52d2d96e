"""The commands that keep work and watch going by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yunwei.cli.words import absolute, command, with_inventory

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_timers(commands: Commands) -> None:
    """Add the commands of timers."""
    timers = commands.add_parser("timers", help="the jobs that run by themselves").add_subparsers(
        metavar="ACTION", required=True
    )
    log_in = command(
        timers, "log-in", "timers.log_in", "hand each timer its Vault login, in memory; after every start of the host"
    )
    log_in.add_argument("--renew", action="store_true", help="replace logins that are there; the old ones end")
    with_inventory(log_in)


def add_alerts(commands: Commands) -> None:
    """Add the commands of alerts."""
    alerts = commands.add_parser("alerts", help="who is told when copies grow too old").add_subparsers(
        metavar="ACTION", required=True
    )
    rules = command(
        alerts, "rules", "alerts.rules", "show the rules for the second site's watch, to hand to its administrator"
    )
    rules.add_argument("-o", "--output", type=absolute, metavar="FILE", help="write them to this file instead")
    with_inventory(rules)
