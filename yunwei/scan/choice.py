"""What an edited scan plan chooses for `harden-servers`: by host its rules, each with the findings that it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypedDict

import yaml

from yunwei.errors import UsageError
from yunwei.policy import Policy, System
from yunwei.policy.catalogue import Catalogue, read_catalogue
from yunwei.policy.inventory import Host
from yunwei.policy.problems import Problem, key_path
from yunwei.policy.structure import read_model
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.yaml_files import parse_mapping
from yunwei.scan.findings import findings_of
from yunwei.scan.plan_shape import HardenStep, PlannedHost, ScanPlan
from yunwei.scan.store import Store
from yunwei.scan.waivers import waivers
from yunwei.work.hardening import hosts_by_ssh, visits

LARGEST = 64 << 20
_DEEPEST = 20
_MOST_PROBLEMS = 20
_NEXT = "Correct the file, or make a new one with `yunwei scan plan ID -o FILE`. Nothing was changed."
Place = tuple[str | int, ...]
Rules = dict[str, list[str]]


class Choice(TypedDict):
    """What a run's options, and so its record, keep of a scan plan."""

    report: str
    report_sha256: str
    file_sha256: str
    hosts: dict[str, Rules]
    """By host, then by rule: the findings that the rule answers there."""


def read_choice(path: Path, policy: Policy, store: Store) -> Choice:
    """Return what a scan plan chooses.

    Raises `UsageError` with every problem found: of YAML, of shape, of names, of the report that it is bound to.
    """
    content = _content(path)
    plan = _parsed(path, content)
    _demand_stored(path, plan, store)
    checker = _Checker(str(path), policy, read_catalogue(policy.inventory_dir)[0], _hosts_of(plan, store))
    _demand_none(list(checker.problems(plan)))
    hosts = {one.host: {step.rule: [row.id for row in step.findings] for step in one.harden} for one in plan.hosts}
    hosts = {name: rules for name, rules in hosts.items() if rules}
    if not hosts:
        raise UsageError(f"{path}: hosts: no host has a step below `harden`, so there is nothing to set. {_NEXT}")
    return {
        "report": plan.report.id,
        "report_sha256": plan.report.sha256,
        "file_sha256": hashlib.sha256(content).hexdigest(),
        "hosts": hosts,
    }


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a scan plan's file; raises `UsageError` where it cannot be read."""
    return hashlib.sha256(_content(path)).hexdigest()


def systems_of(policy: Policy, hosts: Mapping[str, object]) -> list[str]:
    """Return the systems that policy hardens and that have one of the hosts."""
    return [
        system.id
        for system in policy.systems.values()
        if system.hardening and not hosts.keys().isdisjoint(system.hosts)
    ]


def left_out(hosts: Mapping[str, Rules], store: Store, today: date) -> dict[str, dict[str, str | None]]:
    """Return each host's rules, with why a rule is left out today: every finding that it answers was accepted since."""
    known = waivers(store)

    def why(findings: Sequence[str]) -> str | None:
        held = [known[one] for one in findings if one in known and known[one].holds(today)]
        if len(held) < len(findings):
            return None
        first = held[0]
        return f"its findings were accepted: {first.reason} ({first.approver}, until {first.until})"

    return {host: {rule: why(found) for rule, found in rules.items()} for host, rules in hosts.items()}


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. {_NEXT}") from error
    if len(content) > LARGEST:
        raise UsageError(f"{path} has more than {LARGEST} bytes: that is no scan plan. {_NEXT}")
    return content


def _parsed(path: Path, content: bytes) -> ScanPlan:
    _demand_none(_unusual(str(path), content))
    data, problems = parse_mapping(content, str(path))
    _demand_none(problems)
    plan, problems = read_model(ScanPlan, data, str(path))
    if plan is None:
        raise _refusal(problems)
    return plan


def _demand_stored(path: Path, plan: ScanPlan, store: Store) -> None:
    """Raise `UsageError` unless the plan is of a report that is stored here, byte for byte the one that was planned."""
    wanted, here = plan.report, [document for document in store.documents() if document["id"] == plan.report.id]
    if not here:
        raise _refusal([Problem(str(path), "report.id", f"'{wanted.id}'", "a report of `yunwei scan list`")])
    if wanted.sha256 != here[0]["sha256"]:
        allowed = f"{here[0]['sha256']}, which report {wanted.id} has"
        raise _refusal([Problem(str(path), "report.sha256", f"'{wanted.sha256}'", allowed)])


def _demand_none(problems: Sequence[Problem]) -> None:
    if problems:
        raise _refusal(problems)


def _refusal(problems: Sequence[Problem]) -> UsageError:
    lines = [str(problem) for problem in problems[:_MOST_PROBLEMS]]
    more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
    return UsageError("\n".join([*lines, *more, _NEXT]))


def _unusual(file: str, content: bytes) -> list[Problem]:
    """Return what a plan never has and what would make reading it endless: aliases, and nesting without end."""
    depth = 0
    try:
        for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            line = f"line {event.start_mark.line + 1}" if event.start_mark else ""
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                return [
                    Problem(file, line, f"the alias *{event.anchor}", "plain text", "Write out what it stands for.")
                ]
            if depth > _DEEPEST:
                return [Problem(file, line, f"more than {_DEEPEST} brackets in each other", "the shape of a scan plan")]
    except (yaml.YAMLError, ValueError):
        pass  # reading it says what is malformed, and where
    return []


def _hosts_of(plan: ScanPlan, store: Store) -> dict[str, str]:
    """Return the host of each finding of the report."""
    return {one.id: one.host for one in findings_of(store, plan.report.id) if one.matched}


class _Checker:
    """Holds a plan of the right shape against inventory, policy, catalogue and report."""

    def __init__(self, file: str, policy: Policy, catalogue: Catalogue, findings: Mapping[str, str]) -> None:
        self._file, self._policy, self._catalogue, self._findings = file, policy, catalogue, findings

    def problems(self, plan: ScanPlan) -> Iterator[Problem]:
        """Yield everything that is wrong."""
        seen: set[str] = set()
        for number, one in enumerate(plan.hosts):
            place: Place = ("hosts", number)
            if one.host in seen:
                yield self._problem((*place, "host"), f"'{one.host}' a second time", "each host once")
            seen.add(one.host)
            yield from self._host(place, one)

    def _host(self, place: Place, one: PlannedHost) -> Iterator[Problem]:
        host = self._policy.hosts.get(one.host)
        if host is None:
            hint = did_you_mean(one.host, self._policy.hosts)
            yield self._problem((*place, "host"), repr(one.host), "a host of the inventory", hint)
            return
        systems = [system for system in self._policy.systems.values() if one.host in system.hosts]
        yield from self._systems(place, one, [system.id for system in systems])
        if one.harden:
            yield from self._reached((*place, "host"), host, systems)
        rules: set[str] = set()
        for number, step in enumerate(one.harden):
            where = (*place, "harden", number)
            if step.rule in rules:
                yield self._problem((*where, "rule"), f"'{step.rule}' a second time", "each rule once on a host")
            rules.add(step.rule)
            yield from self._step(where, step, one.host)

    def _systems(self, place: Place, one: PlannedHost, own: Sequence[str]) -> Iterator[Problem]:
        for number, name in enumerate(one.systems):
            if name not in own:
                hint = did_you_mean(name, own)
                allowed = ", ".join(own) or "none: no system of policy has this host"
                yield self._problem((*place, "systems", number), repr(name), allowed, hint)

    def _reached(self, place: Place, host: Host, systems: Sequence[System]) -> Iterator[Problem]:
        if not visits(host) or not any(host.name in hosts_by_ssh(self._policy, one) for one in systems):
            allowed = "a host of group production that is reached by SSH and belongs to a system"
            yield self._problem(place, f"'{host.name}', which harden-servers leaves out", allowed)
        elif not any(system.hardening for system in systems):
            hint = f"Give {', '.join(system.id for system in systems)} a section `hardening`."
            yield self._problem(
                place, f"'{host.name}', which policy does not harden", "a host that policy hardens", hint
            )

    def _step(self, place: Place, step: HardenStep, host: str) -> Iterator[Problem]:
        rule = self._catalogue.rules.get(step.rule)
        if rule is None:
            hint = did_you_mean(step.rule, self._catalogue.rules)
            yield self._problem((*place, "rule"), repr(step.rule), "a rule of `yunwei list rules`", hint)
        elif rule.remedy != "settings":
            found = f"'{step.rule}', which sets nothing by itself"
            yield self._problem((*place, "rule"), found, "a rule whose remedy is `settings`")
        for number, row in enumerate(step.findings):
            if self._findings.get(row.id) != host:
                whose = f", which is one of {self._findings[row.id]}" if row.id in self._findings else ""
                allowed = "a finding that the report has on this host"
                yield self._problem((*place, "findings", number, "id"), f"'{row.id}'{whose}", allowed)

    def _problem(self, place: Place, found: str, allowed: str, hint: str | None = None) -> Problem:
        return Problem(self._file, key_path(place), found, allowed, hint)
