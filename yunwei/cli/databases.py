"""`yunwei db`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from yunwei import launch, policy, runner
from yunwei.cli import show
from yunwei.databases import outcome, words
from yunwei.jobs import find_job
from yunwei.ledger import Ledger
from yunwei.report.words import load_words


def inspect(options: argparse.Namespace) -> int:
    """Look at the databases of systems; exit 0 in order, 1 findings, 4 could not be judged."""
    runner.raise_on_termination()
    known = policy.load(options.inventory)
    systems = launch.known_systems(options.inventory, options.system)
    request = launch.Request(find_job(outcome.JOB), options.inventory, systems, options.limit)
    run = launch.launch(request, show.progress).document
    if run["exit_code"] in (2, 3):
        show.say(show.printable(run["reason"]))
        return int(run["exit_code"])
    judged = outcome.judge({**run, "systems": systems}, known, Ledger.open().entries(), datetime.now(UTC))
    document = words.explain(judged, options.lang)
    if options.json:
        show.json_document(document)
    else:
        text = load_words(options.lang, words.REPORT)
        columns = [text(f"databases.columns.{name}") for name in ("place", "severity", "what", "evidence", "advice")]
        show.table(columns, words.rows(document, options.lang), text("databases.title"))
        print(words.summary(document, options.lang))
    return int(document["exit_code"])
