"""`yunwei plan`, `yunwei run` and `yunwei verify`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yunwei import launch, plans, proofs, runner
from yunwei.cli import show
from yunwei.errors import UsageError
from yunwei.jobs import Job, find_job


def plan(options: argparse.Namespace) -> int:
    """Show exactly what a job would do; changes nothing. With `-o` the plan is kept, to be approved and run."""
    job = _launchable(options.job)
    if options.output and not job.planned:
        raise UsageError(
            f"'{job.name}' gives no digest of what it would do, so no plan of it can be kept: leave -o out"
        )
    if options.output and options.plan and not plans.is_scan_plan(options.plan):
        raise UsageError(f"-o goes with a scan plan: {options.plan} is kept already")
    return plan_to_file(_request(options, job, check=True), options.output, as_json=options.json)


def plan_to_file(request: launch.Request, output: Path | None, *, as_json: bool) -> int:
    """Run a job in check mode, show what it would do, and keep the plan where there is a file for it."""
    runner.raise_on_termination()
    result = launch.launch(request, show.progress)
    if output and result.exit_code == 0:
        kept = launch.keep_plan(result, output)
        result.document["plan"] = {"path": str(output), "sha256": kept.sha256}
    print_result(result, as_json=as_json)
    if "plan" in result.document and not as_json:
        print(f"plan {result.document['plan']['sha256']}\n{output}")
    return result.exit_code


def run(options: argparse.Namespace) -> int:
    """Run a job, prove its result, record both. With `--plan` what the plan says is done, and nothing else.

    With `--check` nothing is done, as by `yunwei plan`.
    """
    job = _launchable(options.job)
    runner.raise_on_termination()
    result = launch.launch(_request(options, job, check=options.check), show.progress)
    print_result(result, as_json=options.json)
    return result.exit_code


def _request(options: argparse.Namespace, job: Job, *, check: bool) -> launch.Request:
    request = launch.Request(job, options.inventory, options.system, options.limit, check, _variables(options))
    if options.plan and not plans.is_scan_plan(options.plan):
        return launch.planned(request, options.plan, options.approval)
    if options.approval:
        raise UsageError("--approval goes with --plan and a stored plan: it approves one of these")
    return launch.chosen(request, options.plan) if options.plan else request


def _launchable(name: str) -> Job:
    job = find_job(name)
    if not job.launch:
        raise UsageError(f"'{job.name}' has a command of its own; see yunwei --help")
    return job


def _variables(options: argparse.Namespace) -> dict[str, Any]:
    given = {
        "yunwei_now": options.now,
        "yunwei_change": options.change,
        "yunwei_accept_irreversible": options.accept_irreversible,
    }
    return {name: value for name, value in given.items() if value}


def print_result(result: launch.Result, *, as_json: bool) -> None:
    """Print a run's result: one JSON document, or the summary table and what went wrong."""
    document = result.document
    if as_json:
        show.json_document(document)
        return
    for failure in document["failures"]:
        show.say(f"{failure['host']}: {show.printable(failure['task'])}: {show.printable(failure['message'])}")
    if document["items"]:
        title = f"{'plan of ' if document['check'] else ''}{document['job']}"
        show.table(("host", "system", "item", "status", "detail"), show.item_rows(document["items"]), title)
    _print_differences(document["results"])
    if document["exit_code"] and document["reason"]:
        show.say(show.printable(document["reason"]))
    print_verification(document)
    print(f"{document['status']}  run {document['run_id']}")


def _print_differences(results: Sequence[Mapping[str, Any]]) -> None:
    """Print how files change, each once: a host of two systems says it twice."""
    said = [
        "\n".join([f"{one['host']}:", *map(show.printable, lines)])
        for one in results
        for lines in (one["yunwei"].get("differences") or {}).values()
    ]
    for text in dict.fromkeys(said):
        print(text)


def print_verification(document: dict[str, Any]) -> None:
    """Print what the proofs came to, and each that did not pass."""
    verification = document["verification"]
    if not isinstance(verification, dict):
        return
    print(f"proofs: {verification['verdict']} ({verification['passed']} passed)")
    for finding in verification["not_passed"]:
        print(f"  {finding['verdict']}: {finding['role']} {finding['test']}: {show.printable(finding['reason'])}")


def verify(options: argparse.Namespace) -> int:
    """Prove the state that a job must have left."""
    job = find_job(options.job)
    if not job.proofs:
        raise UsageError(f"'{job.name}' leaves no state on a host to prove")
    result = proofs.prove(job, options.inventory, launch.known_systems(options.inventory, options.system))
    if options.json:
        show.json_document(result.to_json())
    else:
        rows = [(finding.role, finding.test, finding.verdict, finding.reason) for finding in result.findings]
        show.table(("role", "proof", "verdict", "reason"), rows, job.name)
    return {proofs.PASSED: 0, proofs.FAILED: 1}.get(result.verdict, 4)
