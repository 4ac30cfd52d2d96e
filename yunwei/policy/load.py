"""An inventory folder read into a policy, or into the list of everything that is wrong with it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from yunwei.paths import content_root
from yunwei.policy import estate_checks
from yunwei.policy.base import Model
from yunwei.policy.calendar import CalendarFile, combine
from yunwei.policy.calendar_checks import check_calendar
from yunwei.policy.catalogue import read_catalogue
from yunwei.policy.connection_checks import check_connections
from yunwei.policy.contract import Contract
from yunwei.policy.draft import Draft
from yunwei.policy.estate import Estate
from yunwei.policy.hardening_checks import check_hardening
from yunwei.policy.history_checks import check_history
from yunwei.policy.inventory import Inventory, read_inventory
from yunwei.policy.log_checks import check_logs
from yunwei.policy.model import Policy
from yunwei.policy.problems import PolicyError, Problem
from yunwei.policy.restart_checks import check_canary, check_restarts
from yunwei.policy.role_variables import misspelt, role_interfaces
from yunwei.policy.structure import read_model
from yunwei.policy.system import System
from yunwei.policy.system_checks import check_system
from yunwei.policy.yaml_files import read_mapping

Shape = TypeVar("Shape", bound=Model)


def load(inventory: Path | str, today: date | None = None) -> Policy:
    """Return the policy of an inventory (its folder, or the `hosts.yml` in it).

    Raises `PolicyError` with every problem found. A permission that has expired does not stop loading.
    """
    policy, problems = examine(inventory, today)
    stopping = [problem for problem in problems if problem.stops]
    if policy is None or stopping:
        raise PolicyError(stopping)
    return policy


def validate(inventory: Path | str, today: date | None = None) -> list[Problem]:
    """Return every problem of an inventory, also those that stop a single rule only; an empty list when it is valid."""
    return examine(inventory, today)[1]


def examine(inventory: Path | str, today: date | None = None) -> tuple[Policy | None, list[Problem]]:
    """Return the policy, or None where it could not be built, and every problem found, in the order of files."""
    inventory = Path(inventory)
    folder = inventory.parent if inventory.is_file() else inventory
    if not folder.is_dir():
        allowed = "a folder with hosts.yml and policy/"
        return None, [Problem(str(inventory), "", "no such inventory", allowed, "Look at the value of -i.")]
    hosts = read_inventory(folder)
    problems = list(hosts.problems)
    estate = _read(folder, "policy/estate.yml", Estate, problems)
    contract = _contract(folder, problems)
    systems = _folder(folder, "systems", System, problems)
    if not systems:
        problems.append(Problem("policy/systems", "", "no system", "at least one file <system>.yml"))
    calendar = _calendar(folder, problems)
    day = today or datetime.now(estate.model.zone if estate.model else None).date()
    problems += _cross_check(hosts, estate, contract, systems, day)
    catalogue, faults = read_catalogue(folder)
    problems += faults
    for system in systems:
        problems += check_hardening(system, catalogue, day)
    problems += check_calendar(calendar, {Path(draft.file).stem for draft in systems}, hosts.hosts)
    ordered = sorted(set(problems), key=lambda problem: (problem.file, problem.path, problem.found))
    models = [draft.model for draft in systems if draft.model is not None]
    if estate.model is None or len(models) < len(systems):
        return None, ordered
    by_id = {model.id: model for model in sorted(models, key=lambda model: model.id)}
    by_name = dict(sorted(hosts.hosts.items()))
    rules = combine([(draft.file, draft.model) for draft in calendar if draft.model is not None])
    return Policy(folder, estate.model, by_id, by_name, contract.model if contract else None, rules), ordered


def _cross_check(
    hosts: Inventory,
    estate: Draft[Estate],
    contract: Draft[Contract] | None,
    systems: list[Draft[System]],
    today: date,
) -> list[Problem]:
    production = estate.text("production_group") or "production"
    problems = [*estate_checks.check_estate(estate, hosts), *check_connections(hosts, estate)]
    problems += check_canary(estate, hosts)
    for system in systems:
        problems += check_system(system, hosts, production)
        problems += check_logs(system, hosts)
        problems += check_history(system)
        problems += check_restarts(system, today)
    problems += estate_checks.check_approvers(estate, systems)
    problems += estate_checks.check_neighbours(systems)
    if contract is not None:
        problems += estate_checks.check_contract(contract, systems)
    problems += estate_checks.check_permissions(systems, today)
    problems += misspelt(hosts.assignments, role_interfaces(content_root() / "roles"))
    return problems


def _read(folder: Path, file: str, model: type[Shape], problems: list[Problem]) -> Draft[Shape]:
    content, faults = read_mapping(folder / file, file)
    problems += faults
    if faults and not content:
        return Draft(file, {})
    found, faults = read_model(model, content, file)
    problems += faults
    return Draft(file, content, found)


def _contract(folder: Path, problems: list[Problem]) -> Draft[Contract] | None:
    file = "policy/contract.yml"
    if (folder / file).exists():
        return _read(folder, file, Contract, problems)
    hint = "Without it nobody can tell which backups are owed; copy it from inventories/example."
    problems.append(Problem(file, "", "no such file", "the sections of the contract", hint, stops=False))
    return None


def _calendar(folder: Path, problems: list[Problem]) -> list[Draft[CalendarFile]]:
    drafts = _folder(folder, "calendar", CalendarFile, problems)
    if not any(draft.content.get("windows") for draft in drafts):
        allowed = "a file below policy/calendar with at least one of `windows`"
        hint = "Without one no disruptive work may begin; copy policy/calendar from inventories/example."
        problems.append(Problem("policy/calendar", "", "no window", allowed, hint, stops=False))
    return drafts


def _folder(folder: Path, name: str, model: type[Shape], problems: list[Problem]) -> list[Draft[Shape]]:
    """Read every file below `policy/<name>/`; one that would be skipped is a problem."""
    below = folder / "policy" / name
    drafts = []
    for file in sorted(below.iterdir()) if below.is_dir() else []:
        shown_as = str(file.relative_to(folder))
        if file.suffix == ".yml" and not file.name.startswith("."):
            drafts.append(_read(folder, shown_as, model, problems))
        elif file.suffix in (".yaml", ".json", ".ics"):
            problems.append(Problem(shown_as, "", "a file that would be skipped", "files that end in .yml"))
    return drafts
