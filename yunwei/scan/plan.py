"""What is done about each open finding of a report: exactly one outcome, found by ids and never by free text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

from yunwei.policy import Policy, System
from yunwei.policy.catalogue import Catalogue, Rule
from yunwei.scan.findings import StoredFinding
from yunwei.scan.identity import rules_by_cve, rules_by_id
from yunwei.scan.shapes import Package
from yunwei.scan.waivers import Waiver
from yunwei.work.hardening import host_rules, hosts_by_ssh, visits

Kind = Literal["harden", "update", "person", "waived", "not_in_inventory"]
KINDS: tuple[Kind, ...] = ("harden", "update", "person", "waived", "not_in_inventory")
# What the scanners that also look into applications call a package of the system.
_OF_THE_SYSTEM = frozenset(["os-pkgs", "deb", "rpm"])
_LOOK_INTO_APPLICATIONS = frozenset(["trivy", "grype", "wazuh"])


@dataclass(frozen=True)
class Outcome:
    """What is done about a finding.

    `rules` of the catalogue answer it; `packages` are those to update. `why` says what kind and rules do not.
    """

    finding: StoredFinding
    kind: Kind
    why: str = ""
    rules: tuple[Rule, ...] = ()
    packages: tuple[Package, ...] = ()


@dataclass(frozen=True)
class HostPolicy:
    """What policy says of hardening one host: the systems that have it, and their rules with why they are waived."""

    systems: list[System]
    rules: dict[str, str | None]
    by_ssh: bool
    visited: bool

    @cached_property
    def hardened(self) -> list[System]:
        """Return the systems that policy hardens."""
        return [system for system in self.systems if system.hardening]

    @property
    def is_hardened(self) -> bool:
        """Tell whether harden-servers goes to the host."""
        return self.by_ssh and self.visited and bool(self.hardened)

    def missing(self, rules: Iterable[Rule]) -> list[str]:
        """Return which rules policy does not ask for on the host."""
        return [rule.id for rule in rules if rule.id not in self.rules]


@dataclass(frozen=True)
class Planner:
    """Decides on findings of one scanner, by what policy, the catalogue and acceptances say on one day."""

    policy: Policy
    catalogue: Catalogue
    scanner: str
    waivers: Mapping[str, Waiver]
    today: date

    @cached_property
    def hosts(self) -> dict[str, HostPolicy]:
        """Return what policy says of each host of the inventory."""
        return {name: self._host(name) for name in self.policy.hosts}

    def outcomes(self, findings: Iterable[StoredFinding]) -> Iterator[Outcome]:
        """Yield the outcome of each finding, in their order."""
        return map(self.outcome, findings)

    def outcome(self, one: StoredFinding) -> Outcome:
        """Return what is done about one finding."""
        if not one.matched or one.host not in self.hosts:
            gone = f"{one.host} is no longer in the inventory: import the report once more"
            return Outcome(one, "not_in_inventory", gone if one.matched else "no host of the inventory was matched")
        waiver = self.waivers.get(one.id)
        if waiver is not None and waiver.holds(self.today):
            return Outcome(one, "waived", f"accepted until {waiver.until} by {waiver.approver}: {waiver.reason}")
        rules = rules_by_id(one, self.scanner, self.catalogue)
        return self._by_rules(one, rules) if rules else self._by_packages(one)

    def _host(self, name: str) -> HostPolicy:
        systems = [system for system in self.policy.systems.values() if name in system.hosts]
        rules = {rule["id"]: rule["waived"] for rule in host_rules(self.policy, self.catalogue, name, self.today)}
        by_ssh = any(name in hosts_by_ssh(self.policy, system) for system in systems)
        return HostPolicy(systems, rules, by_ssh, visits(self.policy.hosts[name]))

    def _by_packages(self, one: StoredFinding) -> Outcome:
        """Decide on a finding whose id the catalogue does not have: a fixed version comes before a rule for its CVE."""
        rules = rules_by_cve(one, self.catalogue)
        if not one.packages:
            return self._by_rules(one, rules) if rules else Outcome(one, "person", "the catalogue has no rule for it")
        named = ", ".join(dict.fromkeys(package.name or "software outside packages" for package in one.packages))
        if not self._of_the_system(one):
            why = f"{named}: not said to be a package of the system, so whoever installed it updates it"
            return Outcome(one, "person", why, tuple(rules), one.packages)
        unfixed = ", ".join(dict.fromkeys(package.name for package in one.packages if not package.fixed))
        if unfixed:
            why = f"the report names no fixed version of {unfixed}: compensate, or accept until there is one"
            return Outcome(one, "person", why, tuple(rules))
        return Outcome(one, "update", "", tuple(rules), one.packages)

    def _of_the_system(self, one: StoredFinding) -> bool:
        if not all(package.name for package in one.packages):
            return False
        return self.scanner not in _LOOK_INTO_APPLICATIONS or one.family in _OF_THE_SYSTEM

    def _by_rules(self, one: StoredFinding, rules: Sequence[Rule]) -> Outcome:
        remedies = {rule.remedy for rule in rules}
        if remedies == {"settings"}:
            return self._by_settings(one, rules)
        if remedies == {"package"}:
            fixed = tuple(package for package in one.packages if package.name and package.fixed)
            return Outcome(one, "update", "", tuple(rules), fixed)
        if remedies == {"accept"}:
            why = "the catalogue advises to accept it: `yunwei scan waive`"
        elif remedies == {"manual"}:
            why = "no job sets this by itself"
        else:
            why = "several rules answer it, and not every one of them by itself"
        return Outcome(one, "person", why, tuple(rules))

    def _by_settings(self, one: StoredFinding, rules: Sequence[Rule]) -> Outcome:
        host = self.hosts[one.host]
        if not host.by_ssh or not host.visited:
            what = "this host is not in group production" if host.by_ssh else "this host is not reached by SSH"
            what = what if host.systems else "no system of policy has this host"
            return Outcome(one, "person", f"{what}, so harden-servers leaves it out", tuple(rules))
        if not host.hardened:
            names = ", ".join(system.id for system in host.systems)
            why = f"policy hardens no system of this host: give {names} a section `hardening`, and plan once more"
            return Outcome(one, "person", why, tuple(rules))
        waived = [f"{rule.id}: {host.rules[rule.id]}" for rule in rules if host.rules.get(rule.id)]
        if waived:
            return Outcome(one, "waived", f"policy leaves the rule out: {'; '.join(waived)}", tuple(rules))
        return Outcome(one, "harden", "", tuple(rules))
