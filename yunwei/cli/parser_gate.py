"""The words of plans on file and of their approval."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from yunwei.cli.words import absolute, command, with_inventory

if TYPE_CHECKING:
    from yunwei.cli.words import Commands


def add_plan_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Add to `yunwei plan` where the plan is kept, to both the plan to go by, to `yunwei run` what goes with that."""
    parser.add_argument(
        "--plan",
        type=absolute,
        metavar="FILE",
        help="a stored plan: do exactly what it says, or nothing; harden-servers also takes an edited scan plan",
    )
    if name == "plan":
        parser.set_defaults(approval=None)
        parser.add_argument(
            "-o", "--output", type=absolute, metavar="FILE", help="keep the plan, to approve and run it"
        )
        return
    parser.add_argument("--approval", type=absolute, metavar="FILE", help="its approval (default: FILE.approval)")
    parser.add_argument("--check", action="store_true", help="change nothing, as `yunwei plan`")


def add_approve(commands: Commands) -> None:
    """Add `yunwei approve`."""
    approve = command(commands, "approve", "approvals.approve", "sign a plan that somebody else made")
    approve.add_argument("plan", type=absolute, help="the plan's file")
    approve.add_argument("--as", dest="name", required=True, metavar="NAME", help="your name among policy's approvers")
    approve.add_argument(
        "--key",
        type=absolute,
        required=True,
        metavar="KEY",
        help="your private SSH key, or the public one of your agent's",
    )
    approve.add_argument("--hours", type=int, default=24, metavar="N", help="valid so long (default: %(default)s)")
    approve.add_argument(
        "--emergency", default="", metavar="REASON", help="let it begin though the calendar is closed; kept as evidence"
    )
    approve.add_argument("-o", "--output", type=absolute, metavar="FILE", help="write it here (default: PLAN.approval)")
    with_inventory(approve)
