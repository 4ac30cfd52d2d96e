"""A plan as people read and edit it: steps for each host and setting or package, never for each CVE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from yunwei.errors import UsageError
from yunwei.plans import write_private
from yunwei.policy import System
from yunwei.policy.catalogue import Rule
from yunwei.scan.findings import StoredFinding
from yunwei.scan.identity import cves_of
from yunwei.scan.plan import KINDS, HostPolicy, Kind, Outcome, Planner
from yunwei.scan.store import Document
from yunwei.scan.visible import visible
from yunwei.work.hardening import hosts_by_ssh

_MOST_OF_A_SOLUTION = 1000
_HEAD = """\
# What is to be done about the findings of a scanner's report, to be read and edited. `yunwei run harden-servers --plan
# THIS_FILE` sets the rules below `harden`, on these hosts alone: delete what is not to be set. What policy waives and
# what was accepted stays out. `policy` says what to add so that the rules also hold in later runs. update: work for
# patching. person: work for people, and why. A `note: text` that you add beside a finding's id is kept by
# `yunwei scan plan ID --notes THIS_FILE -o NEW_FILE`, other changes are not. See docs/scans.md, docs/scans.zh.md.
"""
Step = dict[str, Any]


def make(document: Document, planner: Planner, findings: Iterable[StoredFinding]) -> dict[str, Any]:
    """Return the plan of a report as plain data, in an order that depends on nothing but the findings."""
    outcomes = list(planner.outcomes(findings))
    counts = dict.fromkeys(KINDS, 0)
    for one in outcomes:
        counts[one.kind] += 1
    here = [one for one in outcomes if one.kind != "not_in_inventory"]
    elsewhere = [one for one in outcomes if one.kind == "not_in_inventory"]
    shown = {
        "report": {key: document[key] for key in ("id", "file", "sha256", "scanner", "format")},
        "day": planner.today.isoformat(),
        "findings": counts,
        "policy": _policy(here, planner),
        "hosts": [
            {"host": name, **_host(group, planner.hosts[name])} for name, group in _grouped(here, _host_name).items()
        ],
        "not_in_inventory": [
            {"host": name, "why": group[0].why, "findings": _rows(group)}
            for name, group in _grouped(elsewhere, _host_name).items()
        ],
    }
    return dict(visible(shown))


def as_yaml(plan: Mapping[str, Any]) -> str:
    """Return a plan as a file for people."""
    return _HEAD + yaml.safe_dump(dict(plan), allow_unicode=True, sort_keys=False, width=110)


def write(plan: Mapping[str, Any], path: Path) -> None:
    """Write a plan, whole or not at all.

    Raises UsageError where there is such a file: it may hold what people decided.
    """
    if path.exists():
        raise UsageError(f"{path} is there already and may have been edited; choose another name, and compare the two")
    write_private(as_yaml(plan), path)


def _grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], str]) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for one in outcomes:
        found.setdefault(key(one), []).append(one)
    return dict(sorted(found.items()))


def _rule_ids(one: Outcome) -> str:
    return " ".join(rule.id for rule in one.rules)


def _host_name(one: Outcome) -> str:
    return one.finding.host


def _host(outcomes: Sequence[Outcome], host: HostPolicy) -> dict[str, Any]:
    of_kind: dict[Kind, list[Outcome]] = {kind: [one for one in outcomes if one.kind == kind] for kind in KINDS}
    steps = {
        "harden": _hardening(of_kind["harden"], host),
        "update": _updates(of_kind["update"]),
        "person": _people(of_kind["person"]),
        "waived": [
            {"why": why, "findings": _rows(group)}
            for why, group in _grouped(of_kind["waived"], lambda one: one.why).items()
        ],
    }
    return {
        "systems": [system.id for system in host.systems],
        **{kind: found for kind, found in steps.items() if found},
    }


def _hardening(outcomes: Sequence[Outcome], host: HostPolicy) -> list[Step]:
    rules = {rule.id: rule for one in outcomes for rule in one.rules}
    return [
        {
            **_rule(rule),
            "policy": "has it" if name in host.rules else "add",
            "findings": _rows(one for one in outcomes if rule in one.rules),
        }
        for name, rule in sorted(rules.items())
    ]


def _updates(outcomes: Sequence[Outcome]) -> list[Step]:
    """Return a step for each package; for each rule where the report names no package."""
    by_package: dict[str, list[Outcome]] = {}
    for one in outcomes:
        for name in dict.fromkeys(package.name for package in one.packages):
            by_package.setdefault(name, []).append(one)
    steps = [_package(name, group) for name, group in sorted(by_package.items())]
    unnamed = [one for one in outcomes if not one.packages]
    return steps + [
        {"rules": [_rule(rule) for rule in group[0].rules], "findings": _rows(group)}
        for group in _grouped(unnamed, _rule_ids).values()
    ]


def _package(name: str, outcomes: Sequence[Outcome]) -> Step:
    versions = [package for one in outcomes for package in one.packages if package.name == name]
    rules = {rule.id: rule for one in outcomes for rule in one.rules}
    return {
        "package": name,
        "installed": sorted({one.installed for one in versions if one.installed}),
        "fixed": sorted({one.fixed for one in versions}),
        "cves": sorted({cve for one in outcomes for cve in cves_of(one.finding)}),
        **({"rules": [_rule(rule) for rule in rules.values()]} if rules else {}),
        "findings": _rows(outcomes),
    }


def _people(outcomes: Sequence[Outcome]) -> list[Step]:
    def key(one: Outcome) -> str:
        return f"{one.why}\0{_rule_ids(one) or one.finding.rule}"

    steps: list[Step] = []
    for group in _grouped(outcomes, key).values():
        first = group[0]
        known: Step = {"rules": [_rule(rule) for rule in first.rules]}
        if not first.rules:
            solution = first.finding.solution
            known = {"scanner_says": solution[:_MOST_OF_A_SOLUTION] + "…" * (len(solution) > _MOST_OF_A_SOLUTION)}
        fixed = sorted({package.fixed for one in group for package in one.packages if package.fixed})
        steps.append({"why": first.why, **known, **({"fixed": fixed} if fixed else {}), "findings": _rows(group)})
    return steps


def _rule(rule: Rule) -> Step:
    advice = {"advice": rule.advice.model_dump()} if rule.advice else {}
    return {
        "rule": rule.id, "title": rule.title.model_dump(), "risk": rule.risk, "restart": rule.restart, **advice
    }  # fmt: skip


def _rows(outcomes: Iterable[Outcome]) -> list[Step]:
    return [
        {
            "id": one.finding.id,
            "severity": one.finding.severity,
            "name": " ".join(one.finding.name.split()),
            "port": "" if one.finding.port is None else f"{one.finding.port}/{one.finding.protocol}",
            "scanner_id": one.finding.rule,
        }
        for one in outcomes
    ]


def _policy(outcomes: Iterable[Outcome], planner: Planner) -> list[Step]:
    """Return which rules are to be added to which system, and on which hosts more than the findings' they then hold."""
    wanted: dict[str, tuple[System, set[str], set[str]]] = {}
    for one in outcomes:
        host = planner.hosts[one.finding.host]
        missing = host.missing(one.rules) if one.kind == "harden" else []
        if missing:
            system = host.hardened[0]
            _, rules, hosts = wanted.setdefault(system.id, (system, set(), set()))
            rules.update(missing)
            hosts.add(one.finding.host)
    return [
        {
            "file": f"policy/systems/{name}.yml",
            "hardening": {"add": sorted(rules)},
            "for": sorted(hosts),
            "holds_also_on": sorted(set(hosts_by_ssh(planner.policy, system)) - hosts),
        }
        for name, (system, rules, hosts) in sorted(wanted.items())
    ]
