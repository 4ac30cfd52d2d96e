"""NSFOCUS RSAS (绿盟) version 6 XML."""

from __future__ import annotations

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.severity import rsas_severity
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, port_of, safe_evidence, safe_prose
from yunwei.scan.xml import Element, child, child_text, drop, elements, text_of

_WANTED = ("target", "time_start_scan", "time_end_scan", "version", "targets", "ret_code", "target_total", "page_total")


def read(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a report; each vulnerability at a port is a finding, its severity the risk points of the same target."""
    draft.about = About("rsas", "rsas-v6-xml")
    saw_targets = False
    for element in elements(source, _WANTED, encoding):
        name, text = element.tag, text_of(element) if element.tag not in ("target", "targets") else ""
        if name == "target":
            _target(element, draft)
            drop(element)
        elif name == "targets":
            saw_targets = True
        elif name == "time_start_scan":
            draft.about.started = text or None
        elif name == "time_end_scan":
            draft.about.finished = text or None
        elif name == "target_total" and text.isdecimal():
            draft.about.declared["hosts"] = int(text)
        elif name == "page_total" and text.isdecimal() and int(text) > 1:
            draft.about.complete = False
            draft.warn(f"this is one page of {text}; import the others as well")
        elif name == "ret_code" and text not in ("", "0"):
            raise ReportRefusedError(f"the scanner answered with the error {text}", source.name)
    if not saw_targets:
        raise ReportRefusedError("there are no targets in it", source.name)


def _target(element: Element, draft: Draft) -> None:
    address = child_text(element, "ip")
    number = draft.host(ScannedHost(address, [address], [], _operating_system(element)))
    scanned, details = child(element, "vuln_scanned"), child(element, "vuln_detail")
    by_id = {child_text(one, "vul_id"): one for one in (details if details is not None else ())}
    unused = set(by_id)
    for one in scanned if scanned is not None else ():
        rule = child_text(one, "vul_id")
        unused.discard(rule)
        if rule not in by_id:
            draft.warn(f"{address}: the vulnerability {rule} has no detail, its severity is unknown")
        draft.finding(_finding(number, rule, one, by_id.get(rule)))
    for rule in sorted(unused):
        draft.warn(f"{address}: the detail of {rule} belongs to no port; it is kept and not counted")
        draft.finding(_finding(number, rule, None, by_id[rule])._replace(status="noted"))
    weak = child(element, "password_results")
    if weak is not None and len(weak):
        draft.warn(f"{address}: the report lists {len(weak)} weak passwords; they are not read")


def _finding(number: int, rule: str, seen: Element | None, detail: Element | None) -> Finding:
    points = "" if detail is None else child_text(detail, "risk_points")
    name = "" if detail is None else child_text(detail, "name")
    message = "" if seen is None else child_text(seen, "mess_string").replace("\\n", "\n").replace("&gt;", ">")
    return Finding(
        number,
        rule,
        name or rule,
        rsas_severity(points),
        points,
        None if seen is None else port_of(child_text(seen, "port")),
        "" if seen is None else child_text(seen, "protocol").lower(),
        "" if seen is None else child_text(seen, "service"),
        () if detail is None else cves_in(child_text(detail, "cve_id")),
        evidence=safe_evidence(message, name),
        family="" if detail is None else child_text(detail, "threat_category"),
        description="" if detail is None else safe_prose(child_text(detail, "description")),
        solution="" if detail is None else safe_prose(child_text(detail, "solution")),
    )


def _operating_system(element: Element) -> str:
    for info in element.iter("info"):
        if child_text(info, "info_name") == "操作系统类型":
            return " ".join(text_of(value) for value in info.iter("value") if text_of(value))
    return ""
