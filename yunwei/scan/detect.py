"""The format of a report, told by its content; names of files mean nothing."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence

from yunwei.scan import json_stream, tables, xml
from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError, WrongEncodingError
from yunwei.scan.lines import encoding_of, head_text
from yunwei.scan.readers import (
    lynis,
    nessus_xml,
    nmap_xml,
    openvas_xml,
    rsas_html,
    rsas_v5,
    rsas_xls,
    rsas_xml,
    scanner_csv,
    scap,
    sheet,
    trivy,
    wazuh,
)
from yunwei.scan.source import Source, members
from yunwei.scan.tables import Headings

Read = Callable[[Source, Draft, str | None], None]
KNOWN = (
    "Nessus XML v2 and CSV, OpenVAS XML and CSV, NSFOCUS RSAS (XML, HTML, xls), Trivy, Grype, XCCDF and ARF, Nmap, "
    "Wazuh, Lynis, a merged sheet (xlsx, xls, csv)"
)
_ROOTS: dict[str, Read] = {
    "NessusClientData_v2": nessus_xml.read, "get_reports_response": openvas_xml.read, "report": openvas_xml.read,
    "aurora": rsas_xml.read, "Benchmark": scap.read_xccdf, "TestResult": scap.read_xccdf,
    "asset-report-collection": scap.read_arf, "nmaprun": nmap_xml.read,
}  # fmt: skip
_HTML = re.compile(r"^\s*+(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_LYNIS = re.compile(r"^(report_version_major|lynis_version)=", re.MULTILINE)
_OLE = b"\xd0\xcf\x11\xe0"


def reader_of(source: Source) -> tuple[Source, Read]:
    """Return the source to read, which may be the one report inside an archive, and what reads it.

    Raises ReportRefusedError where the content is of no known format.
    """
    head = source.head(8)
    if head.startswith(b"PK"):
        return _archive_reader(source)
    if head.startswith(_OLE):
        return source, _workbook_reader(source)
    text = head_text(source).lstrip("\ufeff")
    if not text.strip():
        raise ReportRefusedError("there is nothing in it but blanks", source.name)
    return source, _text_reader(source, text)


def _text_reader(source: Source, text: str) -> Read:
    stripped = text.lstrip()
    if _HTML.match(text):
        return _html_reader(source)
    if stripped[0] == "<":
        return _xml_reader(source)
    if stripped[0] in "{[" or stripped.startswith("null"):
        return _json_reader(source)
    if _LYNIS.search(text):
        return lynis.read
    return _csv_reader(source, text)


def _unknown(found: str, source: Source) -> ReportRefusedError:
    return ReportRefusedError(f"{found}; no known report. Known are: {KNOWN}", source.name)


def _xml_reader(source: Source) -> Read:
    try:
        root = xml.root_name(source)
    except WrongEncodingError:
        root = xml.root_name(source, "gb18030")
    if root == "NessusClientData":
        raise ReportRefusedError("Nessus XML of version 1; export it as version 2 (.nessus)", source.name)
    if root not in _ROOTS:
        raise _unknown(f"XML with the root {root}", source)
    return _ROOTS[root]


def _html_reader(source: Source) -> Read:
    tree = xml.page(source, encoding_of(source))
    if any("window.data" in (script.text or "") for script in tree.iter("script")):
        return rsas_html.read_data_page
    if tree.xpath('//*[@id="portwithvulnlist"]'):
        return rsas_v5.read_page
    if tree.xpath('//*[@id="vuln_distribution"]|//tr[contains(@class, "vuln_")]'):
        return rsas_html.read_page
    raise _unknown("an HTML page", source)


def _json_reader(source: Source) -> Read:
    for prefix, value in json_stream.values(source, frozenset()):
        if prefix in ("SchemaVersion", "ArtifactName") or prefix in ("item.Target", "item.Vulnerabilities"):
            return trivy.read_trivy
        if prefix == "matches" or prefix.startswith("matches.item.vulnerability"):
            return trivy.read_grype
        if prefix.startswith(("hits.", "data.affected_items")):
            return wazuh.read
        if prefix == "" and value is None:
            return trivy.read_trivy  # a scan without results
        if prefix == "" and value == []:
            continue  # the opened list
        if prefix.startswith("Resources"):
            raise _unknown("a cluster's report of Trivy", source)
    if source.head(64).strip() == b"[]":
        return trivy.read_trivy
    raise _unknown("JSON", source)


def _csv_reader(source: Source, text: str) -> Read:
    lines = text.splitlines()
    separator = max(",\t;", key=lines[0].count)
    # What stands in quotes may hold line ends: the rows of the head are read as CSV, the last may be cut.
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in csv.reader(lines[:200], delimiter=separator) if any(row))
    except csv.Error as error:
        raise _unknown(f"text that is no CSV ({error})", source) from error
    for meanings, read in (
        (scanner_csv.OPENVAS, scanner_csv.read_openvas),
        (scanner_csv.NESSUS, scanner_csv.read_nessus),
    ):
        if rows and Headings(rows[0], meanings).has(*scanner_csv.NEEDED):
            return read
    if any(sheet.is_heading(row) for row in rows[:20]):
        return sheet.read_csv
    raise _unknown("text", source)


def _workbook_reader(source: Source) -> Read:
    names = [name for name, _ in tables.sheets(source)]
    if {rsas_xls.FINDINGS_SHEET, rsas_xls.SUMMARY_SHEET} <= set(names):
        return lambda one, draft, _: rsas_xls.read_host(one, draft)
    return sheet.read_workbook


def _archive_reader(source: Source) -> tuple[Source, Read]:
    found = members(source)
    names = [one.name.partition("!")[2].replace("\\", "/") for one in found]
    if "xl/workbook.xml" in names:
        return source, _workbook_reader(source)
    books = [one for one in found if one.name.endswith(".xls")]
    if books and any(rsas_xls.is_host_file(one) for one in books):
        return source, lambda _, draft, __: rsas_xls.read_archive(books, draft)
    pages = [one for one in found if one.name.lower().endswith((".html", ".htm"))]
    if pages:
        return source, _pages_reader(pages)
    if len(found) == 1:
        if found[0].head(2) == b"PK":
            raise ReportRefusedError("an archive inside an archive; unpack the outer one", source.name)
        return reader_of(found[0])
    raise _unknown(f"an archive of {len(found)} files, none a page or workbook of RSAS", source)


def _pages_reader(pages: Sequence[Source]) -> Read:
    kinds: dict[Read, list[Source]] = {}
    for one in pages:
        try:
            kinds.setdefault(_html_reader(one), []).append(one)
        except ReportRefusedError as error:
            # Menus and legends belong to the export; a damaged page of a host does not.
            if "no known report" not in error.reason:
                raise
    if rsas_v5.read_page in kinds:
        return lambda _, draft, __: rsas_v5.read_archive(pages, draft)
    if rsas_html.read_data_page in kinds:
        return lambda _, draft, __: rsas_html.read_data_pages(kinds[rsas_html.read_data_page], draft)
    if rsas_html.read_page in kinds:
        return lambda _, draft, __: rsas_html.read_pages(kinds[rsas_html.read_page], draft)
    raise _unknown("an archive of HTML pages", pages[0])
