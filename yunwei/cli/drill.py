"""`yunwei drill` and `yunwei recover`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from yunwei import launch, ledger, policy, runner
from yunwei.cli import jobs, show
from yunwei.drill import hold, outcome
from yunwei.errors import UsageError
from yunwei.jobs import find_job
from yunwei.paths import state_dir
from yunwei.report.render import render_summary_text


def drill(options: argparse.Namespace) -> int:
    """Hold a drill, write its report; exit 0 passed, 1 failed, 4 could not be judged."""
    wish = hold.Wish(
        inventory=options.inventory,
        system=options.system,
        site=options.site,
        records=_records(options),
        keep_on_failure=options.keep_on_failure,
        sweep_kept=options.sweep_kept,
        handed_over=options.handed_over or "",
        participants=[_participant(word) for word in options.participant],
    )
    runner.raise_on_termination()
    result, document = hold.hold(wish, show.progress)
    if document is None:
        jobs.print_result(result, as_json=options.json)
        return result.exit_code or 4
    data, page = hold.write(document, options.output or _default_folder(document), options.lang)
    if options.json:
        show.json_document(document)
    else:
        print(render_summary_text(document, options.lang))
        jobs.print_verification(result.document)
        print(f"{data}\n{page}")
    return outcome.EXIT_CODES[str(document["verdict"])] or result.exit_code


def recover(options: argparse.Namespace) -> int:
    """Restore for real; nothing is overwritten that `--replace` does not name."""
    variables = {
        "yunwei_site": options.site,
        "yunwei_to": options.to,
        "yunwei_records": _records(options),
        "yunwei_database": options.database or "",
        "yunwei_table": options.table or "",
        "yunwei_into_schema": (options.into or "") if options.table else "",
        "yunwei_files": options.files or "",
        "yunwei_into_dir": (options.into or "") if options.files else "",
        "yunwei_replace": options.replace,
        "yunwei_handed_over": options.handed_over or "",
    }
    if options.into and not (options.table or options.files):
        raise UsageError("--into goes with --table (a schema) or --files (a folder)")
    known = policy.load(options.inventory)
    for host in options.to:
        known.host(host.rpartition("=")[2])
    runner.raise_on_termination()
    request = launch.Request(find_job("recover-system"), options.inventory, [options.system], variables=variables)
    result = launch.launch(request, show.progress)
    jobs.print_result(result, as_json=options.json)
    return result.exit_code


def _participant(word: str) -> dict[str, str]:
    name, sign, role = word.partition("=")
    if not (name and sign and role):
        raise UsageError(f"--participant {word!r}: write NAME=ROLE")
    return {"name": name, "role": role}


def _records(options: argparse.Namespace) -> dict[str, str]:
    """Return the backup record by item that `--snapshot [ITEM=]ID` names."""
    if not options.snapshot:
        return {}
    item, sign, record = options.snapshot.rpartition("=")
    if sign:
        return {item: record}
    system = policy.load(options.inventory).system(options.system)
    known = _items_of_records(options.system)
    owners = {owner for identifier, owner in known.items() if identifier.startswith(options.snapshot)}
    if len(owners) == 1:
        return {owners.pop(): options.snapshot}
    names = ", ".join(item.id for item in system.items())
    raise UsageError(
        f"--snapshot {options.snapshot}: of which item? Write ITEM={options.snapshot}, ITEM one of {names}"
    )


def _items_of_records(system: str) -> dict[str, str]:
    """Return the item of every backup record of a system that this controller's ledger knows."""
    found: dict[str, str] = {}
    for entry in ledger.Ledger.open().entries():
        for task in entry.body.get("tasks", []):
            summary = task.get("yunwei") or {}
            if summary.get("system") == system:
                found |= {str(item["record"]): item["item"] for item in summary.get("items", []) if item.get("record")}
    return found


def _default_folder(document: Mapping[str, object]) -> Path:
    return state_dir() / "drills" / str(document["evidence_id"])
