"""`yunwei lab`."""

from __future__ import annotations

import argparse
import os

from yunwei import lab
from yunwei.cli import show


def _slot() -> str:
    return os.environ.get("YUNWEI_LAB_SLOT", "demo")


def up(_options: argparse.Namespace) -> int:
    """Make the lab, or what is missing of it."""
    lab.up(_slot(), show.say)
    return 0


def down(_options: argparse.Namespace) -> int:
    """Remove the lab."""
    lab.down(_slot())
    return 0


def reset(options: argparse.Namespace) -> int:
    """Make one host, or every host, anew."""
    lab.reset(_slot(), options.host, show.say)
    return 0


def status(options: argparse.Namespace) -> int:
    """Show what of the lab is there; exit 1 where something is missing."""
    document = lab.status(_slot())
    if options.json:
        show.json_document(document)
    else:
        show.table(
            ("part", "state", "address"),
            [(row["name"], row["state"], row.get("address", "")) for row in document["parts"]],
            f"lab {_slot()}",
        )
    return 0 if document["complete"] else 1
