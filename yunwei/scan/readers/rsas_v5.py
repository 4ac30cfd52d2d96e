"""NSFOCUS RSAS version 5 HTML: an archive with a page for each host and an index that has the texts by name."""

from __future__ import annotations

from collections.abc import Sequence

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.lines import encoding_of
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, name_id, place_of, port_of, safe_prose
from yunwei.scan.xml import Element, page, text_of

_LEVELS = {"vul-vh": "high", "vul-vm": "middle", "vul-vl": "low"}
_TAG = "#tag"
Texts = dict[str, dict[str, str]]


def read_archive(sources: Sequence[Source], draft: Draft) -> None:
    """Read the pages of hosts; each link to a vulnerability there is a finding. Account tables are not read."""
    draft.about = About("rsas", "rsas-v5-html")
    texts: Texts = {}
    pages = [source for source in sources if source.name.lower().endswith((".html", ".htm"))]
    for source in pages:
        if _is_index(source):
            texts.update(_texts(page(source, encoding_of(source))))
    for source in pages:
        if not _is_index(source):
            _host_page(page(source, encoding_of(source)), texts, draft)
    if not draft.hosts:
        raise ReportRefusedError("no page of a host in it", sources[0].name)


def read_page(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read the page of one host alone, without the texts of the index."""
    draft.about = About("rsas", "rsas-v5-html")
    _host_page(page(source, encoding_of(source)), {}, draft)


def _is_index(source: Source) -> bool:
    return source.name.replace("\\", "/").rpartition("/")[2].rpartition("!")[2].lower().startswith("index.")


def _host_page(tree: Element, texts: Texts, draft: Draft) -> None:
    tables = tree.xpath('//*[@id="portwithvulnlist"]')
    facts = _pairs(tree.xpath('//*[@id="summary"]'))
    address = facts.get("IP地址", "")
    if not tables or not address:
        return  # a page of another kind: a legend, a list by ports
    names = [facts["主机名"]] if facts.get("主机名") else []
    number = draft.host(ScannedHost(address, [address], names, facts.get("操作系统", "")))
    where = ["", "", ""]
    for row in tables[0].iter("tr"):
        cells = [text_of(cell) for cell in row if cell.tag == "td"]
        if (len(cells) >= 3 and port_of(cells[0])) or cells[:1] == ["--"]:
            where = [*cells, "", "", ""][:3]
        for link in row.iter("a"):
            level = next((_LEVELS[word] for word in (link.get("class") or "").split() if word in _LEVELS), "")
            if level:
                draft.finding(_finding(number, link, level, where, texts))
    if tree.xpath('//*[@id="accounts"]'):
        draft.warn(f"{address}: the page lists accounts; neither they nor their passwords are read")


def _finding(number: int, link: Element, level: str, where: Sequence[str], texts: Texts) -> Finding:
    name, target = text_of(link), link.get("href") or ""
    known = texts.get(name, {})
    rule = target.partition(_TAG)[2] if _TAG in target else ""
    return Finding(
        number,
        rule or name_id(name),
        name,
        severity_of(level),
        level,
        *place_of(*where),
        cves_in(known.get("CVE编号") or known.get("CVE")),
        description=safe_prose(known.get("详细描述", "")),
        solution=safe_prose(known.get("解决办法") or known.get("解决方案", "")),
    )


def _texts(tree: Element) -> Texts:
    """Return the texts of the index: a row with a name, then a table of pairs."""
    found: Texts = {}
    for table in tree.xpath('//*[@id="vulDataTable"]'):
        name = ""
        for row in table.xpath("./tr|./tbody/tr"):
            inner = row.xpath(".//table")
            if inner and name:
                found[name] = _pairs(inner)
            else:
                link = next(iter(row.xpath(".//a|.//span")), None)
                name = text_of(link) if link is not None else name
    return found


def _pairs(elements: Sequence[Element]) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in elements:
        for row in element.iter("tr"):
            cells = [text_of(cell) for cell in row if cell.tag in ("td", "th")]
            for word, value in zip(cells[::2], cells[1::2], strict=False):
                found.setdefault(word.rstrip("：:"), value)
    return found
