"""OpenVAS and Greenbone XML, with or without the answer of the management protocol around it."""

from __future__ import annotations

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, Package, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, number_of, port_of, safe_evidence, safe_prose
from yunwei.scan.xml import Element, child, child_text, drop, elements, text_of

_WANTED = (
    "result", "results", "port", "error", "tls_certificate", "host", "count", "term", "scan_start", "scan_end",
)  # fmt: skip
_NOT_READ = (("port", "ports"), ("error", "errors"), ("tls_certificate", "tls_certificates"))


def read(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a report; a result directly below `results` is a finding, its severity the threat's word."""
    draft.about = About("openvas", "openvas-xml")
    reader = _Reader(draft)
    for element in elements(source, _WANTED, encoding):
        reader.take(element)
    if not reader.saw_results:
        raise ReportRefusedError(
            "there is no `results` in it: no report of OpenVAS, or one without results", source.name
        )
    if draft.about.finished is None:
        draft.about.complete = False
        draft.warn("the report has no scan_end: the scan was not finished, what it lacks proves nothing")


class _Reader:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self.saw_results = False

    def take(self, element: Element) -> None:
        parent = element.getparent()
        above = parent.tag if parent is not None else ""
        name = element.tag
        if name == "results" and above == "report":
            self.saw_results = True
        elif name == "result" and above == "results":
            self._result(element)
            drop(element)
        elif name == "host" and above == "report":
            self._host(element)
            drop(element)
        elif (name, above) in _NOT_READ:
            drop(element)
        elif above in ("report", "vulns", "hosts", "filters"):
            self._about(name, above, text_of(element))

    def _about(self, name: str, above: str, text: str) -> None:
        about = self._draft.about
        if name == "scan_start":
            about.started = text or None
        elif name == "scan_end":
            about.finished = text or None
        elif name == "count" and above in ("vulns", "hosts") and text.isdecimal():
            about.declared["findings" if above == "vulns" else "hosts"] = int(text)
        elif name == "term" and text:
            about.scope = " ".join(text.split())
            self._draft.warn(f"the report shows only what its filter lets pass: {about.scope}")

    def _host(self, element: Element) -> None:
        address = child_text(element, "ip")
        if not address:
            return
        number = self._number(address)
        host = self._draft.hosts[number - 1]
        host.started, host.finished = child_text(element, "start") or None, child_text(element, "end") or None
        details = {child_text(one, "name"): child_text(one, "value") for one in element if one.tag == "detail"}
        host.os = details.get("best_os_txt", "")
        # Such a detail is there only where the scanner was given a login to try.
        logins = [name for name in details if name.startswith("Auth-")]
        if logins:
            host.credentialed = any(name.endswith("-Success") for name in logins)
        if details.get("hostname"):
            host.names = [details["hostname"]]

    def _number(self, address: str) -> int:
        return self._draft.host_named(address, lambda: ScannedHost(address, [address]))

    def _result(self, element: Element) -> None:
        if child(element, "nvt") is None and child(element, "host") is None:
            self._draft.warn("a result has neither nvt nor host and is not counted")
            return
        where = child(element, "host")
        address = (where.text or "").strip() if where is not None else ""
        number = self._number(address)
        name_there = child_text(where, "hostname") if where is not None else ""
        if name_there and name_there not in self._draft.hosts[number - 1].names:
            self._draft.hosts[number - 1].names.append(name_there)
        self._draft.finding(_finding(element, number))


def _finding(element: Element, number: int) -> Finding:
    nvt = child(element, "nvt")
    name = child_text(element, "nvt", "name") or child_text(element, "name")
    port, _, protocol = child_text(element, "port").partition("/")
    tags = dict(part.partition("=")[::2] for part in child_text(element, "nvt", "tags").split("|"))
    threat = child_text(element, "threat")
    seen = child_text(element, "description")
    family = child_text(element, "nvt", "family")
    return Finding(
        number,
        nvt.get("oid", "") if nvt is not None else "",
        name,
        severity_of(threat),
        threat,
        port_of(port),
        protocol.split(" ")[0].lower(),
        "",
        _cves(nvt),
        "open",
        number_of(child_text(element, "severity") or child_text(element, "nvt", "cvss_base")),
        safe_evidence(seen, name, family),
        _packages(seen),
        family,
        safe_prose(tags.get("summary", "")),
        safe_prose(child_text(element, "nvt", "solution") or tags.get("solution", "")),
    )


def _cves(nvt: Element | None) -> tuple[str, ...]:
    if nvt is None:
        return ()
    refs = child(nvt, "refs")
    ids = [ref.get("id", "") for ref in (refs if refs is not None else ()) if ref.get("type", "").lower() == "cve"]
    return cves_in(" ".join([*ids, child_text(nvt, "cve")]))


def _packages(seen: str) -> tuple[Package, ...]:
    """Return the packages of a local check: lines `Vulnerable package:`, `Installed version:`, `Fixed version:`."""
    found: list[Package] = []
    name = installed = ""
    for line in seen.splitlines():
        word, _, value = (part.strip() for part in line.partition(":"))
        if word == "Vulnerable package":
            name = value
        elif word == "Installed version":
            installed = value
        elif word == "Fixed version":
            found.append(Package(name, installed, value.lstrip(">=")))
            name = installed = ""
    return tuple(found)
