"""`yunwei inspect`."""

from __future__ import annotations

import argparse

from yunwei import runner
from yunwei.cli import show
from yunwei.inspection import hold, outcome
from yunwei.paths import state_dir
from yunwei.report.inspection import summary_text
from yunwei.work.shapes import SiteName


def backup_sites(options: argparse.Namespace) -> int:
    """Inspect the backup sites and write the report; exit 0 in order, 1 findings, 4 could not be judged."""
    sites: list[SiteName] = [options.site] if options.site else ["local", "miyun"]
    runner.raise_on_termination()
    document, warnings = hold.hold(hold.Wish(options.inventory, sites, options.system))
    for warning in warnings:
        show.say(f"yunwei: {warning}")
    folder = options.output or state_dir() / "inspections" / str(document["evidence_id"])
    data, page = hold.write(document, folder, options.lang)
    if options.json:
        show.json_document(document)
    else:
        print(summary_text(document, options.lang))
        print(f"{data}\n{page}")
    return outcome.EXIT_CODES[str(document["verdict"])]
