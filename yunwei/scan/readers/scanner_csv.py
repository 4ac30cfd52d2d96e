"""CSV of Nessus and Tenable (any set of columns) and of OpenVAS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yunwei.scan import nessus_output
from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.tables import Headings, csv_rows
from yunwei.scan.text import cves_in, number_of, port_of, safe_evidence, safe_prose

NESSUS: dict[str, Sequence[str]] = {
    "rule": ("Plugin ID", "Plugin"), "cve": ("CVE",), "severity": ("Severity", "Risk", "Risk Factor"),
    "host": ("Host", "IP Address"), "address": ("IP Address",), "names": ("FQDN", "DNS Name"),
    "netbios": ("NetBios", "NetBIOS Name"), "os": ("OS",), "protocol": ("Protocol",), "port": ("Port",),
    "name": ("Name", "Plugin Name"), "family": ("Plugin Family", "Family"), "description": ("Description",),
    "solution": ("Solution",), "output": ("Plugin Output", "Plugin Text"),
    "cvss": ("CVSS v3.0 Base Score", "CVSS3 Base Score", "CVSS", "CVSS Base Score", "CVSS v2.0 Base Score"),
    "state": ("Vulnerability State",), "started": ("Host Start",), "finished": ("Host End",),
}  # fmt: skip
OPENVAS: dict[str, Sequence[str]] = {
    "host": ("IP", "Host"), "names": ("Hostname",), "port": ("Port",), "protocol": ("Port Protocol",),
    "cvss": ("CVSS",), "severity": ("Severity",), "name": ("NVT Name",), "description": ("Summary",),
    "output": ("Specific Result",), "rule": ("NVT OID",), "cve": ("CVEs",), "solution": ("Solution",),
    "state": (), "started": ("Timestamp",), "finished": (),
}  # fmt: skip
NEEDED = ("rule", "host", "port", "protocol", "severity", "name")


def read_nessus(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read an export, which has a row for each CVE: rows of one host, port, protocol and plugin are one finding."""
    draft.about = About("nessus", "nessus-csv")
    _read(source, draft, NESSUS, encoding)


def read_openvas(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read an export; rows of one host, port, protocol and OID are one finding."""
    draft.about = About("openvas", "openvas-csv")
    _read(source, draft, OPENVAS, encoding)


def _read(
    source: Source,
    draft: Draft,
    meanings: dict[str, Sequence[str]],
    encoding: str | None,
) -> None:
    rows = csv_rows(source, draft, encoding)
    _, heading = next(rows)
    headings = Headings(heading, meanings)
    draft.merge_lines()
    fixed = 0
    times: list[str] = []
    for line, cells in _whole(rows, headings, source):
        address = headings.get(cells, "host")
        if not address:
            raise ReportRefusedError("a row without a host", f"{source.name}, line {line}")
        number = draft.host_named(address, lambda c=cells, a=address: _host(headings, c, a))  # type: ignore[misc]
        times = _span([*times, headings.get(cells, "started"), headings.get(cells, "finished")])
        if headings.get(cells, "state").casefold() == "fixed":
            fixed += 1
            continue
        if headings.get(cells, "rule") == nessus_output.SCAN_INFORMATION:
            nessus_output.note_scan(draft.hosts[number - 1], headings.get(cells, "output"))
        draft.finding(_finding(headings, cells, number))
    if not draft.hosts:
        raise ReportRefusedError("there are only headings: no host was scanned or the file is cut off", source.name)
    if fixed:
        draft.warn(f"{fixed} rows say that they are fixed and are not counted")
    draft.about.started, draft.about.finished = (times[0], times[-1]) if times else (None, None)


def _whole(
    rows: Iterator[tuple[int, list[str]]], headings: Headings, source: Source
) -> Iterator[tuple[int, list[str]]]:
    for line, cells in rows:
        if headings.repeated_in(cells):
            raise ReportRefusedError(
                "the headings stand there once more: two reports behind one another; import each by itself",
                f"{source.name}, line {line}",
            )
        if len(cells) != headings.width:
            raise ReportRefusedError(
                f"{len(cells)} cells, the headings have {headings.width}: damaged or cut off; export it once more",
                f"{source.name}, line {line}",
            )
        yield line, cells


def _span(times: list[str]) -> list[str]:
    known = sorted(time for time in times if time)
    return [known[0], known[-1]] if known else []


def _host(headings: Headings, cells: Sequence[str], address: str) -> ScannedHost:
    own = headings.get(cells, "address")
    names = [headings.get(cells, one) for one in ("names", "netbios") if headings.get(cells, one)]
    return ScannedHost(
        address, list(dict.fromkeys(one for one in (own, address) if one)), names, headings.get(cells, "os")
    )


def _finding(headings: Headings, cells: Sequence[str], number: int) -> Finding:
    raw, name, output = (headings.get(cells, one) for one in ("severity", "name", "output"))
    return Finding(
        number,
        headings.get(cells, "rule"),
        name,
        severity_of(raw),
        raw,
        port_of(headings.get(cells, "port")),
        headings.get(cells, "protocol").lower(),
        "",
        cves_in(headings.get(cells, "cve")),
        "open",
        number_of(headings.get(cells, "cvss")),
        safe_evidence(output, name, headings.get(cells, "family")),
        nessus_output.packages(output),
        headings.get(cells, "family"),
        safe_prose(headings.get(cells, "description")),
        safe_prose(headings.get(cells, "solution")),
    )
