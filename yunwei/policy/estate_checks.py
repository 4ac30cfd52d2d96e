"""The estate as a whole: sites and drill hosts, systems beside each other, systems against the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from yunwei.policy.contract import Contract, Section
from yunwei.policy.draft import Draft, mapping, number, sequence, text
from yunwei.policy.engines import ENGINES
from yunwei.policy.estate import Estate
from yunwei.policy.inventory import Inventory
from yunwei.policy.problems import Problem, key_path
from yunwei.policy.schedule import PERIOD_SECONDS
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import System
from yunwei.policy.system_checks import ITEM_LISTS


def check_estate(draft: Draft[Estate], inventory: Inventory) -> Iterator[Problem]:
    """Yield the problems of sites and drill hosts against the inventory."""
    production = draft.text("production_group") or "production"
    if production not in inventory.groups:
        hint = did_you_mean(production, inventory.groups)
        yield draft.problem(("production_group",), f"'{production}', which is no group of hosts.yml", "a group", hint)
    server = text(mapping(mapping(draft.content, "sites"), "local"), "backup_server")
    for place, name in [(("sites", "local", "backup_server"), server), *_drill_hosts(draft)]:
        if name is not None and name not in inventory.hosts:
            hint = did_you_mean(name, inventory.hosts)
            yield draft.problem(place, f"'{name}', which is not in hosts.yml", "a host of the inventory", hint)
    if "alerts" not in draft.content:
        needed = "Without it nobody is told when copies grow too old; see docs/alerts.md."
        yield Problem(draft.file, "alerts", "nothing", "who is told of old copies", needed, stops=False)
    yield from _check_timers(draft, inventory)
    for place, name in _drill_hosts(draft):
        if name in inventory.hosts and production in inventory.hosts[name].groups:
            yield draft.problem(place, f"'{name}', which is in group {production}", "hosts outside production")
        if name == server:
            yield draft.problem(place, f"'{name}', which is the backup server", "hosts that hold no backups")


def _check_timers(draft: Draft[Estate], inventory: Inventory) -> Iterator[Problem]:
    if "timers" not in draft.content:
        needed = "Without it every job is started by a person; see docs/timers.md."
        yield Problem(draft.file, "timers", "nothing", "which jobs run by themselves", needed, stops=False)
    elif not any("controllers" in host.groups for host in inventory.hosts.values()):
        hint = did_you_mean("controllers", inventory.groups)
        found = "timers, but no host of hosts.yml in group controllers"
        yield draft.problem(("timers",), found, "at least one host in group controllers", hint)


def _drill_hosts(draft: Draft[Estate]) -> list[tuple[tuple[str | int, ...], str]]:
    names = sequence(mapping(draft.content, "drill"), "hosts")
    return [(("drill", "hosts", index), name) for index, name in enumerate(names) if isinstance(name, str)]


def check_approvers(estate: Draft[Estate], systems: Sequence[Draft[System]]) -> Iterator[Problem]:
    """Yield systems whose work needs an approval that nobody may give."""
    if estate.model is None:
        return
    approvers = estate.model.approvals.approvers if estate.model.approvals else []
    for draft in systems:
        system = draft.model
        if system and system.needs_approval and not any(one.may_approve(system.id) for one in approvers):
            allowed = f"an approver of {system.id} below approvals in policy/estate.yml"
            yield draft.problem(("needs_approval",), "no approver", allowed, "See docs/gate.md.")


def check_neighbours(drafts: Sequence[Draft[System]]) -> Iterator[Problem]:
    """Yield what two systems claim both: an id, a database, files (need to know, contract 6.3)."""
    ids: dict[str, str] = {}
    databases: dict[tuple[Any, ...], str] = {}
    for draft in drafts:
        name = draft.text("id")
        if name is not None and ids.setdefault(name, draft.file) != draft.file:
            yield draft.problem(("id",), f"'{name}', which {ids[name]} has too", "an id of its own for each system")
        for place, content in draft.each("databases"):
            key = (text(content, "host"), _port(content), text(content, "name"))
            if databases.setdefault(key, draft.file) != draft.file:
                yield draft.problem(place, f"a database that {databases[key]} has too", "each database in one system")
    yield from _shared_files(drafts)


def _port(database: Mapping[str, Any]) -> int | None:
    own = next((engine.port for name, engine in ENGINES.items() if name == database.get("engine")), None)
    return number(database, "port") or own


def _shared_files(drafts: Sequence[Draft[System]]) -> Iterator[Problem]:
    trees = [(draft, place, content) for draft in drafts for place, content in draft.each("file_sets")]
    for index, (draft, place, content) in enumerate(trees):
        for other, _, other_content in trees[:index]:
            same_host = text(content, "host") == text(other_content, "host")
            if other.file != draft.file and same_host and _nested(_paths(content), _paths(other_content)):
                yield draft.problem((*place, "paths"), f"files that {other.file} has too", "each file in one system")


def _paths(file_set: Mapping[str, Any]) -> list[PurePosixPath]:
    return [PurePosixPath(path) for path in sequence(file_set, "paths") if isinstance(path, str)]


def _nested(paths: Sequence[PurePosixPath], others: Sequence[PurePosixPath]) -> bool:
    return any(path.is_relative_to(other) or other.is_relative_to(path) for path in paths for other in others)


def check_contract(draft: Draft[Contract], systems: Sequence[Draft[System]]) -> Iterator[Problem]:
    """Yield backups that the contract owes and no system has, and systems that the contract does not know."""
    if draft.model is None:
        return
    sections = {section.section: section for section in draft.model.sections}
    carried = {system.text("contract") for system in systems}
    for index, section in enumerate(draft.model.sections):
        if section.section not in carried:
            found = f"section {section.section} ({section.name.en}), which no system carries"
            yield draft.problem(("sections", index), found, "a file below policy/systems for each section")
    for system in systems:
        section_number = system.text("contract")
        if section_number in sections:
            yield from _owed(system, sections[section_number])
        elif section_number is not None:
            hint = did_you_mean(section_number, sections)
            yield system.problem(("contract",), repr(section_number), ", ".join(sections), hint)


def _owed(system: Draft[System], section: Section) -> Iterator[Problem]:
    for owed in section.backups:
        key = ITEM_LISTS[owed.kind]
        items = list(system.each(key))
        if not items:
            yield system.problem((key,), "none", f"at least one: section {section.section} owes backups of {owed.kind}")
        for place, content in items:
            every = str(mapping(content, "schedule").get("every"))
            if owed.every and PERIOD_SECONDS.get(every, 0) > PERIOD_SECONDS[owed.every]:
                allowed = f"every {owed.every} or more often: section {section.section}"
                yield system.problem((*place, "schedule", "every"), f"every {every}", allowed)


def check_permissions(drafts: Sequence[Draft[System]], today: date) -> Iterator[Problem]:
    """Yield permissions to delete that have expired; such a rule is refused, everything else goes on."""
    for draft in drafts:
        for place, content in (*draft.each("retention"), *draft.each("logs"), *draft.each("history")):
            expires = mapping(content, "permission").get("expires")
            if type(expires) is date and expires < today:
                path = key_path((*place, "permission", "expires"))
                hint = "Ask the client for a new permission; until then nothing is removed under this rule."
                yield Problem(draft.file, path, f"{expires}, which is past", f"{today} or later", hint, stops=False)
