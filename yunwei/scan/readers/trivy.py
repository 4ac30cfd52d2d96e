"""Trivy JSON (schema 2, and the bare list of older releases) and Grype JSON: packages of one host or image."""

from __future__ import annotations

from typing import Any

from yunwei.scan.draft import Draft
from yunwei.scan.json_stream import mapping, rows, text, values
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, Package, ScannedHost, Status
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, number_of, safe_prose

_TRIVY = ("Results.item", "item")
_NOT_READ = {"Misconfigurations": "misconfigurations", "Secrets": "secrets", "Licenses": "licenses"}


def read_trivy(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a report; the host has the artifact's name, which `--host` overrides."""
    draft.about = About("trivy", "trivy-json")
    host = ScannedHost("trivy", credentialed=True)  # it reads the files themselves
    number = draft.host(host)
    head: dict[str, str] = {}
    left_out: dict[str, int] = {}
    whole = [f"{one}.Vulnerabilities.item" for one in _TRIVY]
    unread = {f"{one}.{key}.item": word for one in _TRIVY for key, word in _NOT_READ.items()}
    for prefix, value in values(source, frozenset([*whole, *unread])):
        if prefix in unread:
            left_out[unread[prefix]] = left_out.get(unread[prefix], 0) + 1
        elif prefix in whole:
            draft.finding(_trivy_finding(value, number, head))
        elif isinstance(value, str):
            if prefix == "Results.item.Target":
                head.pop("Results.item.Class", None)  # it is of the result before
            head[prefix] = value
    host.name = head.get("ArtifactName") or head.get("item.Target") or "trivy"
    host.os = f"{head.get('Metadata.OS.Family', '')} {head.get('Metadata.OS.Name', '')}".strip()
    draft.about.finished = head.get("CreatedAt")
    for word, count in sorted(left_out.items()):
        draft.warn(f"{count} {word} are in the report and are not read: only vulnerabilities are")


def _trivy_finding(value: dict[str, Any], number: int, head: dict[str, str]) -> Finding:
    rule, package = text(value, "VulnerabilityID"), text(value, "PkgName")
    raw, state = text(value, "Severity"), text(value, "Status")
    where = text(value, "PkgPath") or head.get("Results.item.Target") or head.get("item.Target") or ""
    scores = [text(one, "V3Score") for one in mapping(value, "CVSS").values()]
    status: Status = "noted" if state == "not_affected" else "open"
    return Finding(
        number,
        f"{rule}/{package}/{text(value, 'PkgPath')}".rstrip("/"),
        f"{package}: {text(value, 'Title') or rule}",
        severity_of(raw),
        raw,
        cves=cves_in(rule),
        status=status,
        cvss=max((score for score in map(number_of, scores) if score is not None), default=None),
        evidence=f"{where} {state}".strip(),
        packages=(Package(package, text(value, "InstalledVersion"), text(value, "FixedVersion")),),
        family=head.get("Results.item.Class", ""),
        description=safe_prose(text(value, "Description")),
        solution=safe_prose(text(value, "PrimaryURL")),
    )


def read_grype(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a report of Grype."""
    draft.about = About("grype", "grype-json")
    host = ScannedHost("grype", credentialed=True)
    number = draft.host(host)
    head: dict[str, str] = {}
    for prefix, value in values(source, frozenset(["matches.item"])):
        if prefix == "matches.item":
            draft.finding(_grype_finding(value, number))
        elif isinstance(value, str):
            head[prefix] = value
    host.name = head.get("source.target.userInput") or head.get("source.target") or "grype"
    host.os = f"{head.get('distro.name', '')} {head.get('distro.version', '')}".strip()
    draft.about.finished = head.get("descriptor.timestamp")


def _grype_finding(value: dict[str, Any], number: int) -> Finding:
    flaw, artifact = mapping(value, "vulnerability"), mapping(value, "artifact")
    rule, package, raw = text(flaw, "id"), text(artifact, "name"), text(flaw, "severity")
    related = " ".join(text(one, "id") for one in rows(value, "relatedVulnerabilities"))
    fixed = mapping(flaw, "fix").get("versions")
    return Finding(
        number,
        f"{rule}/{package}/{text(artifact, 'version')}",
        f"{package}: {rule}",
        severity_of(raw),
        raw,
        cves=cves_in(f"{rule} {related}"),
        evidence=text(flaw, "fix", "state"),
        packages=(
            Package(package, text(artifact, "version"), ", ".join(map(str, fixed if isinstance(fixed, list) else []))),
        ),
        family=text(artifact, "type"),
        description=safe_prose(text(flaw, "description")),
        solution=safe_prose(text(flaw, "dataSource")),
    )
