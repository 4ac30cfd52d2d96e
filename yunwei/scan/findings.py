"""What is stored of a report, as rows for people and for comparing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from yunwei.scan.shapes import SEVERITIES, Package
from yunwei.scan.store import Store

# Layouts that give no ids name their findings: these cannot be held against the ids of the same scanner.
_NAMED_FORMATS = ("rsas-v6-xls", "rsas-v6-html", "rsas-v5-html", "sheet-xlsx", "sheet-xls", "sheet-csv")
_QUERY = """
SELECT f.n, h.n, coalesce(h.inventory, h.name), h.inventory IS NOT NULL, f.port, f.protocol, f.service, f.rule,
    r.name, f.severity, f.severity_raw, f.status, f.cvss, f.evidence, f.packages, r.family, r.description, r.solution
FROM finding f JOIN host h ON h.n = f.host JOIN rule r ON r.id = f.rule
"""


@dataclass(frozen=True)
class StoredFinding:
    """A finding of a stored report; `host` is the inventory's name where `matched`, else the report's."""

    id: str
    host: str
    matched: bool
    port: int | None
    protocol: str
    service: str
    rule: str
    name: str
    severity: str
    severity_raw: str
    status: str
    cvss: float | None
    cves: tuple[str, ...]
    evidence: str
    packages: tuple[Package, ...]
    family: str
    description: str
    solution: str

    @property
    def key(self) -> tuple[str, int | None, str, str]:
        """What makes it the same finding in another report of the same scanner."""
        return (self.host, self.port, self.protocol, self.rule)


@dataclass(frozen=True)
class StoredHost:
    """A host of a stored report, under the inventory's name where it was matched."""

    name: str
    reported_as: str
    matched: bool
    scanned: bool
    credentialed: bool | None
    scope: str
    os: str


def id_space(scanner: str, format_name: str) -> str:
    """Return the name of the set of ids that a report's findings have."""
    return f"{scanner}/{format_name}" if format_name in _NAMED_FORMATS else scanner


def hosts_of(store: Store, identity: str) -> list[StoredHost]:
    """Return a report's hosts in their order."""
    with store.reading(identity) as db:
        rows = db.execute(
            "SELECT coalesce(inventory, name), name, inventory IS NOT NULL, scanned, credentialed, scope, os"
            " FROM host ORDER BY n"
        ).fetchall()
    return [
        StoredHost(name, known, bool(matched), bool(scanned), None if login is None else bool(login), scope, system)
        for name, known, matched, scanned, login, scope, system in rows
    ]


def findings_of(store: Store, identity: str, *, with_all: bool = False) -> Iterator[StoredFinding]:
    """Yield a report's findings, the gravest first; informational ones and what is no finding only `with_all`."""
    document = store.document(identity)
    space = id_space(document["scanner"], document["format"])
    chosen = "" if with_all else " WHERE f.status = 'open' AND f.severity <> 'info'"
    order = " ".join(f"WHEN '{severity}' THEN {place}" for place, severity in enumerate(SEVERITIES))
    with store.reading(identity) as db:
        cves = _cves(db.execute(f"SELECT c.finding, c.id FROM cve c JOIN finding f ON f.n = c.finding{chosen}"))  # noqa: S608
        query = f"{_QUERY}{chosen} ORDER BY CASE f.severity {order} END, f.rule, f.host, f.port, f.n"
        for number, _, host, matched, port, protocol, service, rule, name, *rest in db.execute(query):
            severity, raw, status, cvss, evidence, packages, family, description, solution = rest
            yield StoredFinding(
                finding_id(space, host, port, protocol, rule),
                host, bool(matched), port, protocol, service, rule, name, severity, raw, status, cvss,
                tuple(cves.get(number, ())), evidence,
                tuple(Package(*one) for one in json.loads(packages or "[]")), family, description, solution,
            )  # fmt: skip


def finding_id(space: str, host: str, port: int | None, protocol: str, rule: str) -> str:
    """Return a finding's id, the same in every report of these ids: host, port, protocol and the scanner's own id."""
    words = "\0".join((space, host, "" if port is None else str(port), protocol, rule))
    return "f-" + hashlib.sha256(words.encode()).hexdigest()[:16]


def _cves(rows: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for number, cve in rows:
        if cve not in found.setdefault(number, []):
            found[number].append(cve)
    return found
