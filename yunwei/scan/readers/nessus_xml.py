"""Nessus XML version 2 (`.nessus`)."""

from __future__ import annotations

from datetime import datetime

from yunwei.scan import nessus_output
from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, number_of, port_of, safe_evidence, safe_prose
from yunwei.scan.xml import Element, drop, elements

_WANTED = ("ReportItem", "HostProperties", "ReportHost", "preference", "item", "FamilyItem", "PluginItem", "Policy")
_COMPLIANCE = "{http://www.nessus.org/cm}"
# What is read of an item; a plugin's own words are the same in all its items, and are read once.
_SEEN_TEXTS = frozenset(
    ["plugin_output", "cvss_base_score", "cvss3_base_score", f"{_COMPLIANCE}compliance-check-name",
     f"{_COMPLIANCE}compliance-check-id"]
)  # fmt: skip
_TEXTS = _SEEN_TEXTS | {"description", "solution"}


def read(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a report; every ReportItem is a finding of the severity that its attribute names."""
    draft.about = About("nessus", "nessus-xml")
    reader = _Reader(draft)
    for element in elements(source, _WANTED, encoding):
        reader.take(element)
        drop(element)
    if not reader.saw_report:
        raise ReportRefusedError("there is no ReportHost in it: no host was scanned or the file is cut", source.name)
    times = [host.started for host in draft.hosts if host.started], [host.finished for host in draft.hosts]
    draft.about.started = min(times[0], default=None)
    draft.about.finished = max((time for time in times[1] if time), default=None)


class _Reader:
    """Goes from host to host; a host's properties come before its items."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._element: Element | None = None
        self._host = ScannedHost("")
        self._number = 0
        self.saw_report = False

    def take(self, element: Element) -> None:
        name = element.tag
        if name == "ReportItem":
            self._enter(element.getparent())
            self._item(element)
        elif name == "HostProperties":
            self._enter(element.getparent())
            self._properties(element)
        elif name == "ReportHost":
            self._enter(element)
            self._element = None

    def _enter(self, element: Element) -> None:
        if element is self._element:
            return
        self._element, self.saw_report = element, True
        self._host = ScannedHost(element.get("name", ""))
        self._number = self._draft.host(self._host)

    def _properties(self, element: Element) -> None:
        tags = {tag.get("name", ""): tag.text or "" for tag in element}
        host = self._host
        host.addresses = [tags["host-ip"]] if tags.get("host-ip") else []
        host.names = [tags[name] for name in ("host-fqdn", "host-rdns", "netbios-name") if tags.get(name)]
        host.os = tags.get("operating-system", "")
        if "Credentialed_Scan" in tags:
            host.credentialed = tags["Credentialed_Scan"].lower() == "true"
        host.started, host.finished = _moment(tags.get("HOST_START")), _moment(tags.get("HOST_END"))

    def _item(self, element: Element) -> None:
        rule = element.get("pluginID", "")
        wanted = _SEEN_TEXTS if self._draft.knows(rule) else _TEXTS
        texts: dict[str, str] = {}
        cves: list[str] = []
        for one in element:
            tag = one.tag
            if tag in wanted:
                texts[tag] = one.text or ""
            elif tag == "cve":
                cves.append(one.text or "")
        output = texts.get("plugin_output", "")
        if rule == nessus_output.SCAN_INFORMATION:
            nessus_output.note_scan(self._host, output)
        name, family = element.get("pluginName", ""), element.get("pluginFamily", "")
        if family == "Policy Compliance":
            check = texts.get(f"{_COMPLIANCE}compliance-check-name", "")
            rule = f"{rule}/{texts.get(f'{_COMPLIANCE}compliance-check-id') or safe_prose(check)}"
            name = check or name
        raw = element.get("severity", "")
        self._draft.finding(
            Finding(
                self._number,
                rule,
                name,
                severity_of(raw),
                raw,
                port_of(element.get("port", "")),
                element.get("protocol", ""),
                element.get("svc_name", ""),
                cves_in(" ".join(cves)) if cves else (),
                "open",
                number_of(texts.get("cvss3_base_score") or texts.get("cvss_base_score")),
                safe_evidence(output, name) if output else "",
                nessus_output.packages(output) if output else (),
                family,
                safe_prose(texts.get("description", "")),
                safe_prose(texts.get("solution", "")),
            )
        )


def _moment(text: str | None) -> str | None:
    """Return `Tue Mar 22 14:54:47 2022`, which has no zone, as ISO 8601; other words as they are."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").isoformat()
    except ValueError:
        return text
