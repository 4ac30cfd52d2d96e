"""Plans on file: what a job would do, host by host, known by one digest; what is approved and run later is just that.

A plan is made by a run in check mode. Of each host and system it holds the digest that the job's module gave for what
it would do there; the module refuses to act where it comes to another.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yunwei.errors import CouldNotJudgeError, RefusedError, UsageError
from yunwei.ledger.chain import canonical

FORMAT = 1
# A plan names every file that would go: ten times the most that a run takes.
_LARGEST = 256 << 20
_SCAN_PLAN = re.compile(rb"^(report|hosts):", re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """What a job would do; everything in it is under its digest.

    `hosts` holds, by host and system, the digest of what would be done there. `time` is the moment (UTC) that ages
    count up to. `requested_by` is the Vault identity that made it, `run_id` the run. `items` are the rows for people.
    """

    job: str
    systems: list[str]
    options: dict[str, Any]
    hosts: dict[str, dict[str, str]]
    time: str
    requested_by: str
    run_id: str
    items: list[dict[str, Any]]

    @property
    def sha256(self) -> str:
        """Return the digest that the plan is known by."""
        return hashlib.sha256(canonical({"format": FORMAT, **asdict(self)}).encode("ascii")).hexdigest()


def make_plan(record: Mapping[str, Any]) -> Plan:
    """Return the plan that a run in check mode found, from its record in the ledger.

    Raises `CouldNotJudgeError` where no host has said what would be done on it.
    """
    hosts: dict[str, dict[str, str]] = {}
    for task in record["tasks"]:
        summary = task.get("yunwei") or {}
        said = summary.get("plan") or {}
        if said.get("digest"):
            hosts.setdefault(task["host"], {})[summary["system"]] = said["digest"]
        for host, found in said.get("hosts", {}).items():  # one task speaks for all
            hosts.setdefault(host, {}).update(found)
    if not hosts:
        raise CouldNotJudgeError(
            f"no host of run {record['id']} said what {record['job']} would do there, so there is nothing to keep: "
            f"look at its systems and hosts in policy"
        )
    permit = record["permits"][0]
    return Plan(
        job=record["job"],
        systems=list(permit["systems"]),
        options=_options(record["permits"]),
        hosts=hosts,
        time=permit["time"],
        requested_by=record["who"],
        run_id=record["id"],
        items=item_rows(record["tasks"]),
    )


def _options(permits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options of a run; of a scan plan each permit has only the part of its own hosts."""
    options = dict(permits[0]["options"])
    if "scan_plan" in options:
        options["scan_plan"] = {**options["scan_plan"], "hosts": chosen_hosts(permits)}
    return options


def chosen_hosts(permits: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Return, by host and rule, the findings that a run was for; nothing where it was started without a scan plan."""
    parts = [permit["options"].get("scan_plan") or {"hosts": {}} for permit in permits]
    return {host: rules for part in parts for host, rules in part["hosts"].items()}


def demand_recorded(plan: Plan, record: Mapping[str, Any] | None) -> None:
    """Raise `RefusedError` unless a plan is what its run found: a file and its digest can be written by anybody.

    Args:
        plan: as it came from its file.
        record: what the ledger has of the plan's run; None where it has nothing.
    """
    if record is None or not record.get("check") or record["status"] == "open":
        raise RefusedError(
            f"the ledger knows no finished check-mode run {plan.run_id}, which is said to have made this plan of "
            f"{plan.job}: make one here with yunwei plan {plan.job} -o FILE"
        )
    found = make_plan(record)
    other = sorted(name for name, value in asdict(found).items() if value != getattr(plan, name))
    if other:
        raise RefusedError(
            f"this plan of {plan.job} is not what its run {plan.run_id} found: {', '.join(other)} differ from the "
            f"ledger. Make a new plan, and have that approved"
        )


def item_rows(tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows for people that a run's results (`tasks` of its record) hold, with host and system."""
    return [
        {"host": task["host"], "system": summary.get("system"), **item}
        for task in tasks
        for summary in [task.get("yunwei") or {}]
        for item in summary.get("items", [])
    ]


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan for its owner alone, whole or not at all.

    Raises `UsageError` where the path cannot be written.
    """
    text = json.dumps({"format": FORMAT, "sha256": plan.sha256, **asdict(plan)}, ensure_ascii=False, indent=1)
    write_private(text + "\n", path)


def write_private(text: str, path: Path) -> None:
    """Write a text of mode 0600, whole or not at all.

    Raises `UsageError` where the path cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def is_scan_plan(path: Path) -> bool:
    """Tell a plan of `yunwei scan plan`, however it was edited, from a stored plan of a job, which is JSON.

    Raises `UsageError` where the file is neither.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1 << 20)
    except OSError as error:
        raise UsageError(f"{path} cannot be read as a plan: {error.strerror}") from error
    if head.lstrip().startswith(b"{"):
        return False
    if _SCAN_PLAN.search(head):
        return True
    raise UsageError(
        f"{path} is neither a stored plan, which `yunwei plan JOB -o FILE` makes, nor a scan plan, which "
        f"`yunwei scan plan ID -o FILE` makes: name one of these"
    )


def read_plan(path: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        RefusedError: it was changed after it was made.
        UsageError: it is no plan.
    """
    if is_scan_plan(path):
        raise UsageError(
            f"{path} is a scan plan, which says what to do and not what a host would do: keep a plan of it with "
            f"yunwei plan harden-servers --plan {path} -o FILE"
        )
    found = read_json(path, "plan", _LARGEST)
    named, made = found.pop("sha256", None), found.pop("format", None)
    if made != FORMAT:
        raise UsageError(f"{path} is no plan of format {FORMAT}: make one with yunwei plan JOB -o FILE")
    try:
        plan = Plan(**found)
        digest = plan.sha256
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} is no plan: {error}. Make one with yunwei plan JOB -o FILE") from error
    if digest != named:
        raise RefusedError(
            f"{path} was changed after it was made: it says that its digest is {str(named)[:16]}…, but it is "
            f"{digest[:16]}…. Make a new plan, and have that approved"
        )
    return plan


def read_json(path: Path, what: str, largest: int) -> dict[str, Any]:
    """Return the JSON object in a file of at most `largest` bytes.

    Raises `UsageError` where there is none.
    """
    try:
        if path.stat().st_size > largest:
            raise UsageError(f"{path} has more than {largest} bytes: that is no {what}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a {what}: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no {what}: it holds no JSON object")
    return found
