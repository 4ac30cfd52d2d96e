"""`yunwei scan plan`."""

from __future__ import annotations

import argparse
from datetime import datetime

from yunwei import policy
from yunwei.cli import show
from yunwei.policy.catalogue import read_catalogue
from yunwei.scan import plan_document
from yunwei.scan.findings import findings_of
from yunwei.scan.plan import Planner
from yunwei.scan.store import Store
from yunwei.scan.waivers import waivers


def plan(options: argparse.Namespace) -> int:
    """Show what is to be done about each finding of a report, or write it to a new file."""
    store, known = Store.default(), policy.load(options.inventory)
    identity = store.resolve(options.id)
    document = store.document(identity)
    today = datetime.now(known.estate.zone).date()
    planner = Planner(known, read_catalogue(known.inventory_dir)[0], document["scanner"], waivers(store), today)
    made = plan_document.make(document, planner, findings_of(store, identity))
    if options.output:
        plan_document.write(made, options.output)
    if options.json:
        show.json_document(made)
    elif options.output:
        print(", ".join(f"{kind} {count}" for kind, count in made["findings"].items()))
        print(options.output)
    else:
        print(plan_document.as_yaml(made), end="")
    return 0
