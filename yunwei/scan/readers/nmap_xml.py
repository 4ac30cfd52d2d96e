"""Nmap XML (and masscan's): hosts and open ports. It states no severities; CVE ids stand in scripts' words only."""

from __future__ import annotations

from datetime import UTC, datetime

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, joined, port_of, safe_evidence
from yunwei.scan.xml import Element, child, drop, elements

_WANTED = ("host", "runstats", "nmaprun", "scaninfo")


def read(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a scan; open ports are noted, and CVE ids that scripts name count as CVEs without being findings."""
    draft.about = About("nmap", "nmap-xml")
    ended = False
    for element in elements(source, _WANTED, encoding):
        if element.tag == "host" and element.getparent().tag == "nmaprun":
            _host(element, draft)
            drop(element)
        elif element.tag == "scaninfo":
            services = element.get("services", "")
            draft.about.scope = f"{element.get('protocol', '')} {services}"[:200]
        elif element.tag == "runstats":
            ended = True
            _totals(element, draft)
        elif element.tag == "nmaprun":
            draft.about.scanner = element.get("scanner", "nmap")
            draft.about.started = _moment(element.get("start"))
    if not ended:
        raise ReportRefusedError("there is no runstats in it: the scan was broken off", source.name)
    for host in draft.hosts:
        host.scope = draft.about.scope
    up = sum(host.scanned for host in draft.hosts)
    draft.warn(
        f"{up} of {len(draft.hosts)} hosts answered; nmap states no severities, its CVE ids are guesses by version"
    )


def _totals(element: Element, draft: Draft) -> None:
    finished, hosts = child(element, "finished"), child(element, "hosts")
    if finished is not None:
        draft.about.finished = _moment(finished.get("time"))
    if hosts is not None and hosts.get("total", "").isdecimal():
        draft.about.declared["hosts"] = int(hosts.get("total"))


def _host(element: Element, draft: Draft) -> None:
    addresses = [one.get("addr", "") for one in element if one.tag == "address" and one.get("addrtype") != "mac"]
    names = [one.get("name", "") for one in element.iterfind("hostnames/hostname")]
    name = (addresses or names or ["?"])[0]
    # masscan writes a host element for each port.
    number = draft.host_named(name, lambda: ScannedHost(name, addresses, names, scanned=False))
    host = draft.hosts[number - 1]
    state = child(element, "status")
    host.scanned = host.scanned or state is None or state.get("state") == "up"
    guess = element.find("os/osmatch")
    host.os = guess.get("name", "") if guess is not None else host.os
    for port in element.iterfind("ports/port"):
        if (open_state := child(port, "state")) is not None and open_state.get("state") == "open":
            _port(port, number, draft)
    for script in element.iterfind("hostscript/script"):
        draft.finding(_script(script, Finding(number, "", "", "unknown")))


def _port(element: Element, number: int, draft: Draft) -> None:
    port, protocol = port_of(element.get("portid", "")), element.get("protocol", "")
    service = child(element, "service")
    words = {} if service is None else service.attrib
    name = str(words.get("name", ""))
    seen = safe_evidence(joined(str(words.get(one, "")) for one in ("product", "version", "extrainfo")))
    found = Finding(
        number, "open-port", "open port", "unknown", "", port, protocol, name, status="noted", evidence=seen
    )
    draft.finding(found)
    for script in element.iterfind("script"):
        draft.finding(_script(script, found))


def _script(element: Element, where: Finding) -> Finding:
    """Return a script's words, at the place of a finding."""
    name, output = element.get("id", ""), element.get("output", "")
    return where._replace(
        rule=f"script/{name}",
        name=name,
        cves=cves_in(output),
        status="hinted",
        evidence=safe_evidence(output, name),
    )


def _moment(seconds: str | None) -> str | None:
    try:
        return datetime.fromtimestamp(int(seconds or ""), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
