"""`yunwei scan plan` and `yunwei scan retest`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import datetime

from yunwei import launch, policy, runner
from yunwei.cli import show
from yunwei.cli.jobs import print_result
from yunwei.jobs import find_job
from yunwei.policy.catalogue import read_catalogue
from yunwei.scan import plan_document, plan_notes, retest
from yunwei.scan.findings import findings_of
from yunwei.scan.plan import Planner
from yunwei.scan.store import Store
from yunwei.scan.waivers import waivers

_TESTED = ("finding", "host", "name", "rules", "verdict", "why")
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
    outcomes = list(planner.outcomes(findings_of(store, identity)))
    hosts = retest.testable(outcomes, planner)
    tested = retest.judge(outcomes, planner, [])
    if hosts:
        result = _check(options, hosts)
        if result.exit_code in (_USAGE, _REFUSED):
            print_result(result, as_json=options.json)
            return result.exit_code
        tested = retest.judge(outcomes, planner, result.document["items"])
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


def _check(options: argparse.Namespace, hosts: dict[str, list[str]]) -> launch.Result:
    runner.raise_on_termination()
    systems = sorted({system for names in hosts.values() for system in names})
    request = launch.Request(find_job("harden-servers"), options.inventory, systems, ",".join(sorted(hosts)), True)
    return launch.launch(request, show.progress)


def _shown(tested: list[retest.Tested], *, as_json: bool) -> int:
    counts = {verdict: sum(one.verdict == verdict for one in tested) for verdict in retest.VERDICTS}
    if as_json:
        show.json_document({"summary": counts, "findings": [asdict(one) for one in tested]})
    else:
        rows = [(one.finding, one.host, one.name, ", ".join(one.rules), one.verdict, one.why) for one in tested]
        show.table(_TESTED, rows)
        print(", ".join(f"{verdict} {count}" for verdict, count in counts.items()))
    if counts["open"]:
        return 1
    return 4 if counts["could not judge"] else 0
