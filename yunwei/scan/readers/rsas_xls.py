"""NSFOCUS RSAS version 6 workbooks: a zip with one `<ip>.xls` a host, or one of these alone."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from itertools import pairwise
from pathlib import PurePosixPath

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.tables import Headings, Row, sheets
from yunwei.scan.text import cves_in, name_id, place_of, safe_evidence, safe_prose

FINDINGS_SHEET, SUMMARY_SHEET = "漏洞信息", "主机概况"
MEANINGS: dict[str, Sequence[str]] = {
    "port": ("端口",), "protocol": ("协议",), "service": ("服务",), "name": ("漏洞名称",), "severity": ("风险等级",),
    "points": ("漏洞风险值",), "family": ("威胁分类",), "cve": ("CVE编号",), "description": ("详细描述",),
    "solution": ("解决办法",), "seen": ("返回信息",),
}  # fmt: skip


def read_archive(sources: Sequence[Source], draft: Draft) -> None:
    """Read the workbooks of hosts in an archive; the index repeats what they say."""
    draft.about = About("rsas", "rsas-v6-xls")
    for source in sources:
        address = _address_of(source)
        if address:
            read_host(source, draft, address)


def is_host_file(source: Source) -> bool:
    """Tell whether a member of an archive is a host's own workbook."""
    return bool(_address_of(source))


def read_host(source: Source, draft: Draft, address: str = "") -> None:
    """Read one host's workbook; without an address its summary sheet must tell it."""
    draft.about = About("rsas", "rsas-v6-xls")
    found = dict(sheets(source))
    if FINDINGS_SHEET not in found:
        raise ReportRefusedError(f"there is no sheet {FINDINGS_SHEET}", source.name)
    host = _host(found.get(SUMMARY_SHEET, []), address or _address_of(source))
    if not host.name:
        raise ReportRefusedError("no address, neither in the file's name nor in its summary", source.name)
    number = draft.host(host)
    headings: Headings | None = None
    where = ["", "", ""]
    for line, cells in found[FINDINGS_SHEET]:
        if headings is None:
            heading = Headings(cells, MEANINGS)
            headings = heading if heading.has("name", "severity", "port") else None
            continue
        if not headings.get(cells, "name"):
            raise ReportRefusedError("a row without the name of a finding", f"{source.name}, line {line}")
        # A blank port means: the one of the row above.
        if headings.get(cells, "port"):
            where = [headings.get(cells, one) for one in ("port", "protocol", "service")]
        draft.finding(_finding(headings, cells, number, where))
    if headings is None and found[FINDINGS_SHEET]:
        raise ReportRefusedError(f"the sheet {FINDINGS_SHEET} has other headings", source.name)


def _finding(headings: Headings, cells: Sequence[str], number: int, where: Sequence[str]) -> Finding:
    name, word = headings.get(cells, "name"), headings.get(cells, "severity")
    return Finding(
        number,
        name_id(name),
        name,
        severity_of(word),
        word,
        *place_of(*where),
        cves_in(headings.get(cells, "cve")),
        evidence=safe_evidence(headings.get(cells, "seen"), name),
        family=headings.get(cells, "family"),
        description=safe_prose(headings.get(cells, "description")),
        solution=safe_prose(headings.get(cells, "solution")),
    )


def _host(rows: Sequence[Row], address: str) -> ScannedHost:
    """Return the host of a summary sheet: some address in it, and the operating system below its heading."""
    cells = [cell for _, row in rows for cell in row]
    address = address or next((cell for cell in cells if _is_address(cell)), "")
    system = ""
    for (_, above), (_, below) in pairwise(rows):
        if "操作系统" in above and above.index("操作系统") < len(below):
            system = below[above.index("操作系统")]
    return ScannedHost(address, [address], [], system)


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _address_of(source: Source) -> str:
    path = PurePosixPath(source.name.rpartition("!")[2].replace("\\", "/"))
    # The lists of hosts by vulnerability repeat what the hosts' own workbooks say.
    if path.suffix != ".xls" or "vulnhostsfiles" in path.parts or not _is_address(path.stem):
        return ""
    return path.stem
