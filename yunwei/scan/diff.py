"""Two reports compared. Absence proves nothing: only a host that was scanned again in the same way is judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from yunwei.scan.findings import StoredFinding, StoredHost, findings_of, hosts_of, id_space
from yunwei.scan.store import Document, Store

Verdict = Literal["still_there", "gone", "not_retested", "not_scanned", "new", "new_host"]
VERDICTS: tuple[Verdict, ...] = ("still_there", "new", "new_host", "not_scanned", "not_retested", "gone")
REASONS = {
    "not_scanned": "the later report has not scanned this host",
    "same_cve": "another scanner names the same CVE on this host",
    "other_ids": "the later report is of other ids and names none of its CVEs there",
    "passed": "the scanner looked and it passed",
    "unjudged": "the scanner could not judge it",
    "not_whole": "the later report is not whole",
    "no_result": "the later benchmark has no result for this rule",
    "credentials": "not scanned with the same credentials",
    "scope": "not scanned with the same ports, profile or filter",
    "login_unknown": "a report does not say whether its scanner logged in",
}
Key = tuple[str, int | None, str, str]


@dataclass(frozen=True)
class Compared:
    """A finding and what became of it; `cause` is a key of `REASONS`, empty where the verdict says all."""

    finding: StoredFinding
    verdict: Verdict
    cause: str = ""

    @property
    def reason(self) -> str:
        """Why the verdict is so."""
        return REASONS.get(self.cause, "")


@dataclass(frozen=True)
class Side:
    """One report: its document, its hosts by name, its open findings, and what else it says by key."""

    document: Document
    hosts: dict[str, StoredHost]
    findings: list[StoredFinding]
    said: dict[Key, str]

    @property
    def space(self) -> str:
        """The set of ids that its findings have."""
        return id_space(self.document["scanner"], self.document["format"])


def side_of(store: Store, identity: str) -> Side:
    """Read a report for comparing; informational findings are left out."""
    document = store.document(identity)
    hosts = {host.name: host for host in hosts_of(store, identity) if host.scanned}
    # Only benchmarks say what passed; elsewhere reading all would be reading what nobody compares.
    says_all = document["scanner"] == "openscap"
    found = list(findings_of(store, identity, with_all=says_all))
    counted = [one for one in found if one.status == "open" and one.severity != "info"]
    return Side(document, hosts, counted, {one.key: one.status for one in found})


def compare(old: Side, new: Side, *, same_login: bool = False) -> list[Compared]:
    """Return what became of every finding of the earlier report, and what is new in the later one.

    `same_login`: somebody vouches that both scans logged in alike; it counts only where a report does not say.
    """
    same_ids = old.space == new.space
    flaws = _flaws(new.findings)
    result = [_old_finding(one, old, new, flaws, same_ids=same_ids) for one in old.findings]
    if same_login:
        result = [Compared(one.finding, "gone") if one.cause == "login_unknown" else one for one in result]
    known = {one.key for one in old.findings}
    old_flaws = _flaws(old.findings)
    for one in new.findings:
        if (same_ids and one.key in known) or (not same_ids and _meets(one, old_flaws)):
            continue
        result.append(Compared(one, "new" if one.host in old.hosts else "new_host"))
    return result


def summary(compared: Iterable[Compared]) -> dict[str, int]:
    """Return how many findings have each verdict."""
    counts = dict.fromkeys(VERDICTS, 0)
    for one in compared:
        counts[one.verdict] += 1
    return {str(verdict): count for verdict, count in counts.items()}


def as_json(one: Compared) -> dict[str, Any]:
    """Return a compared finding as plain data."""
    found = one.finding
    return {
        "finding": found.id, "verdict": one.verdict, "reason": one.reason or None, "host": found.host,
        "port": found.port, "protocol": found.protocol, "rule": found.rule, "name": found.name,
        "severity": found.severity, "cves": list(found.cves),
    }  # fmt: skip


def _old_finding(one: StoredFinding, old: Side, new: Side, flaws: dict[str, set[str]], *, same_ids: bool) -> Compared:
    if one.host not in new.hosts:
        return Compared(one, "not_scanned", "not_scanned")
    if not same_ids:
        if _meets(one, flaws):
            return Compared(one, "still_there", "same_cve")
        return Compared(one, "not_retested", "other_ids")
    said = new.said.get(one.key)
    if said == "open":
        return Compared(one, "still_there")
    if said == "passed":
        return Compared(one, "gone", "passed")
    cause = "unjudged" if said else _incomparable(one.host, old, new)
    return Compared(one, "not_retested", cause) if cause else Compared(one, "gone")


def _incomparable(host: str, old: Side, new: Side) -> str:
    before, after = old.hosts[host], new.hosts[host]
    if not new.document["complete"]:
        return "not_whole"
    if new.document["scanner"] == "openscap":
        return "no_result"
    if None not in (before.credentialed, after.credentialed) and before.credentialed != after.credentialed:
        return "credentials"
    if before.scope != after.scope or old.document["scope"] != new.document["scope"]:
        return "scope"
    return "login_unknown" if None in (before.credentialed, after.credentialed) else ""


def _flaws(findings: Iterable[StoredFinding]) -> dict[str, set[str]]:
    """Return the CVE ids of each host: by them findings of two scanners are of one flaw."""
    found: dict[str, set[str]] = {}
    for one in findings:
        found.setdefault(one.host, set()).update(one.cves)
    return found


def _meets(one: StoredFinding, flaws: dict[str, set[str]]) -> bool:
    return not flaws.get(one.host, set()).isdisjoint(one.cves)
