"""Runs a job to its end: playbook, what its record says, proofs, and the record of the proofs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yunwei import ledger, plans, policy, proofs, runner
from yunwei.errors import RefusedError, UsageError
from yunwei.jobs import Job
from yunwei.ledger import Signer
from yunwei.scan import choice
from yunwei.scan.store import Store
from yunwei.session import Intent
from yunwei.shared_login import shared_login
from yunwei.vault import VaultClient
from yunwei.work import Chosen

Afterwards = Callable[[dict[str, Any], VaultClient], None]
"""Called with a run's document and its client of Vault, which also signs, while the run's login still lives."""


@dataclass(frozen=True)
class Request:
    """What a person asked for; `as_of` is the moment that ages count up to, by default the beginning."""

    job: Job
    inventory: Path
    systems: Sequence[str] = ()
    limit: str | None = None
    check: bool = False
    variables: Mapping[str, Any] | None = None
    as_of: datetime | None = None


@dataclass(frozen=True)
class Result:
    """What a run came to, as shown and as returned by `--json`."""

    document: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """Return the command's exit code."""
        return int(self.document["exit_code"])


def launch(request: Request, progress: runner.Progress, afterwards: Afterwards | None = None) -> Result:
    """Run a job under one login, prove what it left unless it only looked, and return what was recorded.

    Raises:
        PolicyError, UsageError: before anything starts, where policy or a name is wrong.
        VaultError, LedgerError: no login, no record, no run.
    """
    systems = known_systems(request.inventory, request.systems)
    intent = _intent(request)
    began = datetime.now(UTC)
    with shared_login(intent) as login:
        outcome = runner.run(_to_launch(request, systems), progress, intent.run_id, login.environment)
        document = _document(request, outcome)
        if not request.check and document["exit_code"] == 0 and request.job.proofs:
            as_of = request.as_of or began
            found = proofs.prove(
                request.job, request.inventory, systems, as_of, _chosen_rules(outcome.run_id, request.inventory)
            )
            _add_proofs(document, found, request.inventory, login.client)
        if afterwards:
            afterwards(document, login.client)
    return Result(document)


def planned(request: Request, path: Path, approval: Path | None = None) -> Request:
    """Return the request to carry out a stored plan, which its gate reads again.

    Args:
        request: of the plan's job, without systems: the plan names them.
        path: the plan's file.
        approval: the file that approves it, None for the one beside it.

    Raises:
        RefusedError: the plan was changed after it was made, or is of another job.
        UsageError: it is no plan, or systems are named.
    """
    plan = plans.read_plan(path)
    if plan.job != request.job.name:
        raise RefusedError(f"{path} is a plan of {plan.job}: start that job with it")
    if request.systems:
        raise UsageError(f"--system does not go with --plan: {path} is for {', '.join(plan.systems)}, all of it")
    files = {"yunwei_plan": str(path), **({"yunwei_approval": str(approval)} if approval else {})}
    variables = {**(request.variables or {}), **files}
    return replace(request, systems=plan.systems, variables=variables, as_of=datetime.fromisoformat(plan.time))


def chosen(request: Request, path: Path) -> Request:
    """Return the request to do what a scan plan chooses, on its hosts alone; its gate reads the file again.

    Raises `UsageError` where it is no plan to go by, or of another job's kind.
    """
    if request.job.name != "harden-servers":
        raise UsageError(f"{path} is a scan plan, and {request.job.name} does not go by one: harden-servers does")
    known = policy.load(request.inventory)
    hosts = choice.read_choice(path, known, Store.default())["hosts"]
    return replace(
        request,
        systems=request.systems or choice.systems_of(known, hosts),
        limit=request.limit or ",".join(hosts),
        variables={**(request.variables or {}), "yunwei_scan_plan": str(path)},
    )


def keep_plan(result: Result, path: Path) -> plans.Plan:
    """Write what a run in check mode found as a plan, and return it.

    Raises:
        CouldNotJudgeError: no host has said what would be done on it.
        UsageError: the file cannot be written.
    """
    plan = plans.make_plan(ledger.Ledger.open().show(result.document["run_id"]))
    plans.write_plan(plan, path)
    return plan


def _intent(request: Request) -> Intent:
    return Intent(
        run_id=runner.new_run_id(),
        job=request.job.name,
        playbook=str(request.job.playbook),
        inventory=(runner.inventory_source(request.inventory).absolute(),),
        check=request.check,
        limit=request.limit,
    )


def known_systems(inventory: Path, asked: Sequence[str]) -> list[str]:
    """Return the systems asked for, or all of the policy.

    Raises `UsageError` naming the nearest system where one is unknown, `PolicyError` where policy is not valid.
    """
    known = policy.load(inventory)
    return [known.system(name).id for name in asked] or list(known.systems)


def _to_launch(request: Request, systems: Sequence[str]) -> runner.Launch:
    variables = {"yunwei_systems": list(systems), **(request.variables or {})}
    return runner.Launch(request.job.playbook, request.inventory, variables, request.limit, request.check)


def _document(request: Request, outcome: runner.Outcome) -> dict[str, Any]:
    record = ledger.find_run(outcome.run_id)
    status, exit_code = _end(record, outcome)
    tasks = record.get("tasks", []) if record else []
    return {
        "run_id": outcome.run_id,
        "job": request.job.name,
        "check": request.check,
        "status": status,
        "exit_code": exit_code,
        "hosts": record.get("hosts", {}) if record else {},
        "items": plans.item_rows(tasks),
        "failures": [vars(failure) for failure in outcome.failures],
        "results": [task for task in tasks if task.get("yunwei")],
        "reason": _reason(record, outcome),
        "evidence_id": record.get("id") if record else None,
        "verification": None,
    }


def _chosen_rules(run_id: str, inventory: Path) -> Chosen | None:
    """Return the rules that a run went by instead of policy's, None where it went by policy."""
    hosts = plans.chosen_hosts((ledger.find_run(run_id) or {}).get("permits", []))
    if not hosts:
        return None
    return choice.left_out(hosts, Store.default(), datetime.now(policy.load(inventory).estate.zone).date())


def _end(record: Mapping[str, Any] | None, outcome: runner.Outcome) -> tuple[str, int]:
    """Return status and exit code; a run whose record and exit code disagree has failed."""
    if record is None or record["exit_code"] is None or (record["exit_code"] == 0 and outcome.return_code != 0):
        return "failed", 1
    return str(record["status"]), int(record["exit_code"])


def _reason(record: Mapping[str, Any] | None, outcome: runner.Outcome) -> str | None:
    """Return the record's reason; where Ansible stopped by itself, its own last words say why."""
    if record is None:
        return _last_lines(outcome.output)
    if record["status"] == "interrupted":
        return f"{record['reason']}\n{_last_lines(outcome.output)}"
    return record.get("reason")


def _last_lines(output: str, count: int = 6) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def _add_proofs(document: dict[str, Any], result: proofs.ProofResult, inventory: Path, signer: Signer) -> None:
    """Record what the proofs found and let it count: a run is no better than its proof."""
    found = result.to_json()
    evidence_id = ledger.record_verification(document["run_id"], inventory, found, signer)
    document["verification"] = {**found, "evidence_id": evidence_id}
    if result.verdict == proofs.FAILED:
        document.update(status="failed", exit_code=1)
    elif result.verdict == proofs.COULD_NOT_JUDGE:
        document.update(status="could not judge", exit_code=4)
