"""From what a scanner calls a finding to the rules that clear it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from yunwei.policy.catalogue import Catalogue, Match, Rule

_OPENVAS = "1.3.6.1.4.1.25623.1.0."
_SCAP_PREFIXES = ("xccdf_org.ssgproject.content_rule_", "xccdf_mil.disa.stig_rule_")


@dataclass(frozen=True)
class Identifiers:
    """What a finding is called. Every field may be empty; a finding without any matches no rule.

    `openvas`: whole OIDs or their last numbers. `scap`: rule ids with or without their prefix and revision.
    `cves` with `packages` (names, without version): the flaw of a package counts only where the package is named.
    """

    nessus: frozenset[str] = field(default_factory=frozenset)
    openvas: frozenset[str] = field(default_factory=frozenset)
    rsas: frozenset[str] = field(default_factory=frozenset)
    rsas_names: frozenset[str] = field(default_factory=frozenset)
    scap: frozenset[str] = field(default_factory=frozenset)
    lynis: frozenset[str] = field(default_factory=frozenset)
    nexpose: frozenset[str] = field(default_factory=frozenset)
    cves: frozenset[str] = field(default_factory=frozenset)
    packages: frozenset[str] = field(default_factory=frozenset)


def match(found: Identifiers, catalogue: Catalogue) -> list[Rule]:
    """Return the rules that answer a finding, in the catalogue's order; none is a finding for people."""
    return [rule for rule in catalogue.rules.values() if _answers(rule.match, found)]


def _answers(wanted: Match, found: Identifiers) -> bool:
    same = (
        (wanted.nessus, found.nessus),
        (wanted.openvas, {name.removeprefix(_OPENVAS) for name in found.openvas}),
        (wanted.rsas, found.rsas),
        (wanted.rsas_names, found.rsas_names),
        (wanted.scap, {_bare(name) for name in found.scap}),
        (wanted.lynis, found.lynis),
        (wanted.nexpose, found.nexpose),
    )
    return any(not set(ours).isdisjoint(theirs) for ours, theirs in same) or any(
        flaw.cve in found.cves and (flaw.package is None or _names(flaw.package, found.packages))
        for flaw in wanted.flaws
    )


def _bare(name: str) -> str:
    """Return a SCAP rule's id without prefix; a STIG id also without its revision (SV-204592r603261_rule)."""
    for prefix in _SCAP_PREFIXES:
        name = name.removeprefix(prefix)
    return name.partition("r")[0] if name.startswith("SV-") else name


def _names(package: str, found: Iterable[str]) -> bool:
    """Tell whether a package, or one built from the same source such as openssh-server, is among those found."""
    return any(name == package or name.startswith(f"{package}-") for name in found)
