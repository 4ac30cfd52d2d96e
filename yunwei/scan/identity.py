"""What the catalogue calls a finding: its scanner's own id, and its CVEs with the packages they are in."""

from __future__ import annotations

from yunwei.hardening.match import Identifiers, match
from yunwei.policy.catalogue import Catalogue, Rule
from yunwei.scan.findings import StoredFinding
from yunwei.scan.text import cves_in, name_id


def rules_by_id(one: StoredFinding, scanner: str, catalogue: Catalogue) -> list[Rule]:
    """Return the rules that the catalogue gives for the scanner's own id of a finding."""
    if scanner == "rsas":
        # Its layouts without ids have names in their place: a whole name, never a part of one.
        known = {name_id(name): name for rule in catalogue.rules.values() for name in rule.match.rsas_names}
        name = known.get(name_id(one.name))
        return match(Identifiers(rsas=frozenset([one.rule]), rsas_names=frozenset([name] if name else [])), catalogue)
    own = frozenset([one.rule])
    found = {
        "nessus": Identifiers(nessus=own),
        "openvas": Identifiers(openvas=own),
        "openscap": Identifiers(scap=own),
        "lynis": Identifiers(lynis=frozenset([one.rule.partition("/")[0]])),  # behind it stands what was looked at
    }.get(scanner)
    return match(found, catalogue) if found else []


def rules_by_cve(one: StoredFinding, catalogue: Catalogue) -> list[Rule]:
    """Return the rules that answer every CVE of a finding, of the packages that it names; none where one is left."""
    cves = frozenset(cves_of(one))
    packages = frozenset(package.name for package in one.packages if package.name)
    rules = match(Identifiers(cves=cves, packages=packages), catalogue)
    answered = {flaw.cve for rule in rules for flaw in rule.match.flaws}
    return rules if cves <= answered else []


def cves_of(one: StoredFinding) -> tuple[str, ...]:
    """Return a finding's CVEs; some scans have the CVE for an id and no column of it."""
    return one.cves or cves_in(one.rule)
