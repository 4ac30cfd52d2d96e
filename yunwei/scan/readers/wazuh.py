"""Wazuh: the answer of its indexer (4.8 and later), and of its older API."""

from __future__ import annotations

from typing import Any

from yunwei.scan.draft import Draft
from yunwei.scan.json_stream import mapping, text, values
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, Package, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, number_of, safe_prose

_HIT, _OLD = "hits.hits.item", "data.affected_items.item"
_TOTALS = ("hits.total.value", "data.total_affected_items")


def read(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read an answer, which is often one page of more; hosts are its agents."""
    draft.about = About("wazuh", "wazuh-json")
    seen: list[str] = []
    agents: dict[str, str] = {}
    for prefix, value in values(source, frozenset([_HIT, _OLD])):
        if prefix == _HIT:
            _take(mapping(value, "_source"), draft, seen, agents)
        elif prefix == _OLD:
            _take(_as_new(value), draft, seen, agents)
        elif prefix in _TOTALS and isinstance(value, int):
            draft.about.declared["findings"] = value
    draft.about.started, draft.about.finished = min(seen, default=None), max(seen, default=None)


def _take(value: dict[str, Any], draft: Draft, seen: list[str], agents: dict[str, str]) -> None:
    agent, flaw = mapping(value, "agent"), mapping(value, "vulnerability")
    name, system = text(agent, "name"), text(value, "host", "os", "full")
    # Its agent runs on the host itself.
    number = draft.host_named(name, lambda: ScannedHost(name, [], [name], system, credentialed=True))
    host = draft.hosts[number - 1]
    _note_agent(host, text(agent, "id"), agents, draft)
    address = text(agent, "ip")
    if address and address not in host.addresses:
        host.addresses.append(address)
    rule, package, raw = text(flaw, "id"), text(value, "package", "name"), text(flaw, "severity")
    detected = text(flaw, "detected_at")
    seen[:] = [min([*seen, detected]), max([*seen, detected])] if detected else seen
    draft.finding(
        Finding(
            number,
            f"{rule}/{package}",
            f"{package}: {rule}",
            severity_of(raw),
            raw,
            cves=cves_in(rule),
            cvss=number_of(text(flaw, "score", "base")),
            packages=(Package(package, text(value, "package", "version"), _fixed(text(flaw, "scanner", "condition"))),),
            family=text(value, "package", "type"),
            description=safe_prose(text(flaw, "description")),
            solution=safe_prose(text(flaw, "reference")),
        )
    )


def _note_agent(host: ScannedHost, agent: str, agents: dict[str, str], draft: Draft) -> None:
    if agents.setdefault(host.name, agent) != agent and not host.ambiguous:
        host.ambiguous = True
        draft.warn(f"several agents have the name {host.name}: they may be several hosts")


def _fixed(condition: str) -> str:
    """Return the version of `Package less than 1.2.3`; other conditions name none."""
    before, found, version = condition.rpartition("less than ")
    return version.strip() if found and "less than" not in before else ""


def _as_new(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "agent": {"id": text(value, "agent_id"), "name": text(value, "agent_name"), "ip": text(value, "agent_ip")},
        "package": {"name": text(value, "name"), "version": text(value, "version")},
        "vulnerability": {
            "id": text(value, "cve"),
            "severity": text(value, "severity"),
            "detected_at": text(value, "detection_time"),
            "score": {"base": text(value, "cvss3_score")},
            "description": text(value, "title"),
            "scanner": {"condition": text(value, "condition")},
        },
    }
