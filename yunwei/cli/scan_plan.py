"""`yunwei scan plan` and `yunwei scan retest`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from yunwei import launch, ledger, policy, runner
from yunwei.cli import show
from yunwei.cli.jobs import print_result
from yunwei.jobs import find_job
from yunwei.plans import write_private
from yunwei.policy.catalogue import read_catalogue
from yunwei.scan import plan_document, plan_notes, retest
from yunwei.scan.changes import changes
from yunwei.scan.findings import findings_of
from yunwei.scan.plan import Planner
from yunwei.scan.store import Store
from yunwei.scan.waivers import waivers

_TESTED = ("finding", "host", "name", "disposition", "rules", "verdict", "why", "change", "evidence")
_USAGE, _REFUSED = 2, 3


def plan(options: argparse.Namespace) -> int:
    """Show what is to be done about each finding of a report, or write it to a new file."""
    store = Store.default()
    notes = plan_notes.notes_in(options.notes) if options.notes else {}
    identity, planner = _planner(options, store)
    made = plan_document.make(store.document(identity), planner, findings_of(store, identity))
    made = plan_notes.with_notes(made, notes)
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


def self_test(options: argparse.Namespace) -> int:
    """Look on the hosts whether the settings that answer a report's findings are in force; changes nothing."""
    store = Store.default()
    identity, planner = _planner(options, store)
    known = changes(ledger.Ledger.open().entries())
    outcomes = [
        retest.by_change(one, known.get(one.finding.id), planner)
        for one in planner.outcomes(findings_of(store, identity))
    ]
    wanted = retest.to_check(store.document(identity), outcomes)
    tested = retest.judge(outcomes, planner, [], known)
    if wanted:
        result = _check(options, wanted)
        if result.exit_code in (_USAGE, _REFUSED):
            print_result(result, as_json=options.json)
            return result.exit_code
        tested = retest.judge(outcomes, planner, result.document["items"], known)
        retest.keep(store, identity, result.document, tested)
        if result.document["reason"]:
            show.say(show.printable(result.document["reason"]))
    return _shown(tested, as_json=options.json)


def _planner(options: argparse.Namespace, store: Store) -> tuple[str, Planner]:
    known = policy.load(options.inventory)
    identity = store.resolve(options.id)
    scanner = store.document(identity)["scanner"]
    today = datetime.now(known.estate.zone).date()
    return identity, Planner(known, read_catalogue(known.inventory_dir)[0], scanner, waivers(store), today)


def _check(options: argparse.Namespace, wanted: Mapping[str, Any]) -> launch.Result:
    runner.raise_on_termination()
    with tempfile.TemporaryDirectory(prefix="yunwei-retest-") as folder:
        path = Path(folder, "plan.yml")
        write_private(plan_document.as_yaml(wanted), path)
        request = launch.Request(find_job("harden-servers"), options.inventory, check=True)
        return launch.launch(launch.chosen(request, path), show.progress)


def _shown(tested: list[retest.Tested], *, as_json: bool) -> int:
    counts = {verdict: sum(one.verdict == verdict for one in tested) for verdict in retest.VERDICTS}
    if as_json:
        show.json_document({"summary": counts, "findings": [asdict(one) for one in tested]})
    else:
        show.table(_TESTED, [_row(one) for one in tested])
        print(", ".join(f"{verdict} {count}" for verdict, count in counts.items()))
    if counts["open"]:
        return 1
    return 4 if counts["could not judge"] else 0


def _row(one: retest.Tested) -> Sequence[str]:
    answer = (one.disposition, ", ".join(one.rules), one.verdict, one.why, one.change, one.evidence)
    return (one.finding, one.host, one.name, *answer)
