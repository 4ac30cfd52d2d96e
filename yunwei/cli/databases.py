"""`yunwei db`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from yunwei import launch, policy, runner
from yunwei.cli import jobs, show
from yunwei.databases import outcome, tuning, tuning_words, words
from yunwei.jobs import find_job
from yunwei.ledger import Ledger
from yunwei.report.words import load_words

# Usage and refusal: nothing was looked at.
_REFUSED = (2, 3)


def inspect(options: argparse.Namespace) -> int:
    """Look at the databases of systems; exit 0 in order, 1 findings, 4 could not be judged."""
    run, known = _look(options)
    if run["exit_code"] in _REFUSED:
        return _refused(run)
    document = words.explain(outcome.judge(run, known, Ledger.open().entries(), datetime.now(UTC)), options.lang)
    if options.json:
        show.json_document(document)
    else:
        text = load_words(options.lang, words.REPORT)
        columns = [text(f"databases.columns.{name}") for name in ("place", "severity", "what", "evidence", "advice")]
        show.table(columns, words.rows(document, options.lang), text("databases.title"))
        print(words.summary(document, options.lang))
    return int(document["exit_code"])


def tune(options: argparse.Namespace) -> int:
    """Advise on parameters; exit 0 nothing to propose, 1 advice, 4 could not be judged."""
    run, known = _look(options)
    if run["exit_code"] in _REFUSED:
        return _refused(run)
    document = tuning_words.explain(tuning.judge(run, known), options.lang)
    if options.json:
        show.json_document(document)
    else:
        text = load_words(options.lang, tuning_words.REPORT)
        columns = [text(f"tuning.columns.{name}") for name in tuning_words.COLUMNS]
        show.table(columns, tuning_words.rows(document, options.lang), text("tuning.title"))
        print(tuning_words.summary(document, options.lang))
    return int(document["exit_code"])


def purge(options: argparse.Namespace) -> int:
    """Export and delete the old rows of one system, or of one of its rules; exit codes as of `yunwei run`."""
    runner.raise_on_termination()
    variables = {"yunwei_rule": options.rule} if options.rule else {}
    job = find_job("purge-history")
    result = launch.launch(launch.Request(job, options.inventory, [options.system], variables=variables), show.progress)
    jobs.print_result(result, as_json=options.json)
    return result.exit_code


def _look(options: argparse.Namespace) -> tuple[dict[str, Any], policy.Policy]:
    """Return the document of a run of the inspection, with its systems, and the policy."""
    runner.raise_on_termination()
    known = policy.load(options.inventory)
    systems = launch.known_systems(options.inventory, options.system)
    request = launch.Request(find_job(outcome.JOB), options.inventory, systems, options.limit)
    return {**launch.launch(request, show.progress).document, "systems": systems}, known


def _refused(run: Mapping[str, Any]) -> int:
    show.say(show.printable(run["reason"]))
    return int(run["exit_code"])
