"""The merged spreadsheet that engineers pass around: one row a finding, Chinese or English headings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.severity import is_known, severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.tables import Headings, Row, csv_rows, sheets
from yunwei.scan.text import cves_in, name_id, number_of, port_of, safe_evidence, safe_typed

MEANINGS: dict[str, Sequence[str]] = {
    "host": (
        "IP", "IP地址", "主机IP", "资产IP", "受影响主机", "主机地址", "目标IP", "目标", "服务器IP", "地址",
        "Host", "IP Address",
    ),
    "hostname": ("主机名", "主机名称", "资产名称", "Hostname"),
    "os": ("操作系统", "OS"),
    "port": ("端口", "端口号", "Port"),
    "protocol": ("协议", "Protocol"),
    "service": ("服务", "服务名", "Service"),
    "name": ("漏洞名称", "漏洞名", "名称", "风险名称", "问题名称", "漏洞标题", "漏洞", "Name", "Vulnerability"),
    "severity": (
        "风险等级", "危险等级", "漏洞等级", "漏洞级别", "风险级别", "威胁等级", "严重程度",
        "等级", "级别", "Severity", "Risk",
    ),
    "description": ("漏洞说明", "漏洞描述", "详细描述", "描述", "问题描述", "Description"),
    "solution": ("加固建议", "整改建议", "解决办法", "解决方案", "修复建议", "处置建议", "整改措施", "Solution"),
    "cve": ("CVE", "CVE编号", "CVE ID", "CVE号"),
    "cvss": ("CVSS", "CVSS评分"),
    "rule": ("漏洞ID", "漏洞编号", "插件ID", "插件编号", "Plugin ID"),
}  # fmt: skip
_BETWEEN_HOSTS = re.compile(r"[;；,，、\n]")
_HEADINGS_WITHIN = 20  # rows of titles and notes that may stand above


def is_heading(cells: Sequence[str]) -> bool:
    """Tell whether a row is the heading of a merged sheet."""
    return Headings(cells, MEANINGS).has("host", "name", "severity")


def read_csv(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a merged sheet that was saved as CSV."""
    # People merged it from scans: what it lacks may have been left out.
    draft.about = About("spreadsheet", "sheet-csv", complete=False)
    if not _read(csv_rows(source, draft, encoding), draft, source.name):
        raise ReportRefusedError(_no_heading(), source.name)


def read_workbook(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read every sheet of a workbook that has the headings."""
    kind = "xlsx" if source.head(2) == b"PK" else "xls"
    draft.about = About("spreadsheet", f"sheet-{kind}", complete=False)
    found = sheets(source)
    read = [name for name, rows in found if _read(rows, draft, f"{source.name}, sheet {name}")]
    if not read:
        raise ReportRefusedError(_no_heading(), source.name)
    for name, rows in found:
        if name not in read and rows:
            draft.warn(f"the sheet {name} has no headings of findings and is not read")


def _no_heading() -> str:
    return "no row of headings with a host, a name and a severity (such as IP, 漏洞名称, 风险等级) in the first rows"


def _read(rows: Iterable[Row], draft: Draft, place: str) -> bool:
    headings: Headings | None = None
    skipped = 0
    for line, cells in rows:
        if headings is None:
            skipped += 1
            headings = Headings(cells, MEANINGS) if is_heading(cells) else None
            if headings is None and skipped >= _HEADINGS_WITHIN:
                return False
        elif headings.repeated_in(cells):
            raise ReportRefusedError(
                "the headings stand there once more; import each table by itself", f"{place}, line {line}"
            )
        else:
            _row(headings, cells, draft, f"{place}, line {line}")
    return headings is not None


def _row(headings: Headings, cells: Sequence[str], draft: Draft, place: str) -> None:
    name, word = safe_typed(headings.get(cells, "name")), headings.get(cells, "severity")
    hosts = list(_hosts(headings.get(cells, "host")))
    if not name and not hosts:
        return  # a line of totals or remarks
    if not name or not hosts:
        raise ReportRefusedError(f"a row without {'a host' if name else 'the name of a finding'}", place)
    if not is_known(word):
        draft.warn(f"{place}: the severity {word[:40]!r} is in no table, counted as unknown")
    cves = cves_in(headings.get(cells, "cve"))
    description = headings.get(cells, "description")
    for host in hosts:
        number = draft.host_named(host, lambda one=host: _host(headings, cells, one))  # type: ignore[misc]
        draft.finding(
            Finding(
                number,
                headings.get(cells, "rule") or (",".join(sorted(cves)) if cves else name_id(name)),
                name,
                severity_of(word),
                word,
                port_of(headings.get(cells, "port")),
                headings.get(cells, "protocol").lower(),
                headings.get(cells, "service"),
                cves,
                cvss=number_of(headings.get(cells, "cvss")),
                description=safe_evidence(description, name),
                solution=safe_typed(headings.get(cells, "solution")),
            )
        )


def _hosts(cell: str) -> Iterator[str]:
    yield from (word.strip() for word in _BETWEEN_HOSTS.split(cell) if word.strip())


def _host(headings: Headings, cells: Sequence[str], address: str) -> ScannedHost:
    name = headings.get(cells, "hostname")
    return ScannedHost(address, [address], [name] if name else [], headings.get(cells, "os"))
