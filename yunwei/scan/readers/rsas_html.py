"""NSFOCUS RSAS version 6 HTML: the pages of R02 and R03, and those of R04 and later, which carry their data as JSON."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError, said_by
from yunwei.scan.json_stream import mapping, rows, text
from yunwei.scan.lines import encoding_of
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, name_id, number_of, port_of, safe_prose
from yunwei.scan.xml import Element, page, text_of

_ROW = re.compile(r"(?:^|\s)vuln_(high|middle|low)(?:\s|$)")
_TIMES = re.compile(r"(?:开始|结束)[:：]\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_DATA = re.compile(r"window\.data\s*=\s*")


def read_page(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a page of R02 or R03; each row of a vulnerability counts once, whatever hosts it names."""
    read_pages([source], draft)


def read_pages(sources: Sequence[Source], draft: Draft) -> None:
    """Read an archive's pages; what one page says again of a host and a finding is the same finding."""
    draft.about = About("rsas", "rsas-v6-html")
    seen: set[tuple[int, str]] = set()
    item = 0
    for source in sources:
        tree = page(source, encoding_of(source))
        item = _page(tree, draft, seen, item)
        times = _TIMES.findall(text_of(tree))
        if times:
            draft.about.started, draft.about.finished = times[0], times[-1]
    if not draft.hosts:
        raise ReportRefusedError("no host with a vulnerability in it, and none without", sources[0].name)
    declared = draft.about.declared.get("findings")
    if declared is None and not seen:
        raise ReportRefusedError("neither vulnerabilities nor a total of them; the page is damaged", sources[0].name)


def _page(tree: Element, draft: Draft, seen: set[tuple[int, str]], item: int) -> int:
    for row in tree.iter("tr"):
        level = _ROW.search(row.get("class") or "")
        if level:
            item += 1
            _row(row, level.group(1), draft, seen, item)
        total = [text_of(cell) for cell in row if cell.tag in ("td", "th")]
        # Hosts, then the sums of high, medium, low, all, and the score.
        if len(total) == 6 and total[0] == "合计" and total[4].isdecimal():
            draft.about.declared["findings"] = int(total[4])
    return item


def _row(row: Element, level: str, draft: Draft, seen: set[tuple[int, str]], item: int) -> None:
    name = next((text_of(span) for span in row.iter("span") if text_of(span)), "")
    following = row.getnext()
    facts: dict[str, str] = {}
    for one in following.iter("tr") if following is not None else ():
        cells = [cell for cell in one if cell.tag in ("td", "th")]
        if len(cells) == 2:
            facts.setdefault(text_of(cells[0]), text_of(cells[1]))
    hosts = [word.strip() for word in facts.get("受影响主机", "").replace("；", ";").split(";") if word.strip()]
    if not name or not hosts:
        raise ReportRefusedError(f"row {item} of a vulnerability names {'no host' if name else 'nothing'}", "page")
    for address in hosts:
        number = draft.host_named(address, lambda one=address: ScannedHost(one, [one]))  # type: ignore[misc]
        if (number, name_id(name)) not in seen:
            seen.add((number, name_id(name)))
            draft.finding(_finding(number, name, level, facts, item))


def _finding(number: int, name: str, level: str, facts: dict[str, str], item: int) -> Finding:
    return Finding(
        number,
        name_id(name),
        name,
        severity_of(level),
        f"{level} {facts.get('威胁分值', '')}".strip(),
        cves=cves_in(facts.get("CVE编号")),
        cvss=number_of(facts.get("CVSS评分")),
        description=safe_prose(facts.get("详细描述", "")),
        solution=safe_prose(facts.get("解决办法", "")),
        item=item,
    )


def read_data_page(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a page of R04 or later."""
    read_data_pages([source], draft)


def read_data_pages(sources: Sequence[Source], draft: Draft) -> None:
    """Read an archive's pages: those of hosts where there are any, which name ports; else the index."""
    draft.about = About("rsas", "rsas-v6-html-r04")
    others = []
    for source in sources:
        marks = _marks(_data(source))
        if "vul-detail" in marks:
            _host_page(marks, draft, source.name)
        else:
            others.append(source)
    if len(others) == len(sources):
        lines = itertools.count(1)
        for source in others:
            _index_page(_data(source), draft, lines)
    if not draft.hosts:
        raise ReportRefusedError("neither a host nor a list of vulnerabilities in its data", sources[0].name)


def _data(source: Source) -> dict[str, Any]:
    tree = page(source, encoding_of(source))
    for script in tree.iter("script"):
        found = _DATA.search(script.text or "")
        if found:
            try:
                document, _ = json.JSONDecoder().raw_decode(script.text[found.end() :])
            except (ValueError, RecursionError) as error:
                reason = f"its window.data is damaged: {said_by(error)}; export it once more"
                raise ReportRefusedError(reason, source.name) from error
            return document if isinstance(document, dict) else {}
    raise ReportRefusedError("there is no window.data in it", source.name)


def _marks(document: dict[str, Any]) -> dict[str, Any]:
    """Return the data of each category by its mark; details stand on the first level or below it."""
    return {text(one, "mark"): one.get("data") for one in _categories(document)}


def _categories(value: dict[str, Any], key: str = "categories") -> Iterator[dict[str, Any]]:
    for one in rows(value, key):
        yield one
        yield from rows(one, "children")


def _host_page(marks: dict[str, Any], draft: Draft, place: str) -> None:
    address = text(marks.get("host-summary"), "target")
    if not address:
        raise ReportRefusedError("the page does not say of which host it is", place)
    name = text(marks.get("host-summary"), "hostname")
    number = draft.host_named(address, lambda: ScannedHost(address, [address], [name] if name else []))
    for where in rows(marks["vul-detail"], "vul_items"):
        for one in rows(where, "vuls"):
            found = _data_finding(number, {**mapping(one, "vul_msg"), **one}, text(one, "vul_level"))
            draft.finding(
                found._replace(
                    port=port_of(text(where, "port")),
                    protocol=text(where, "protocol").lower(),
                    service=text(where, "service"),
                )
            )


def _index_page(document: dict[str, Any], draft: Draft, lines: Iterator[int]) -> None:
    for category in _categories(document):
        found = mapping(mapping(mapping(category, "data"), "vulns_info"), "vuln_distribution")
        for one, item in zip(rows(found, "vuln_list"), lines, strict=False):
            targets = one.get("target") or []
            for address in targets if isinstance(targets, list) else [targets]:
                key = str(address)
                number = draft.host_named(key, lambda key=key: ScannedHost(key, [key]))  # type: ignore[misc]
                draft.finding(_data_finding(number, one, text(one, "vuln_level"))._replace(item=item))


def _data_finding(number: int, value: dict[str, Any], level: str) -> Finding:
    name = text(value, "i18n_name")
    return Finding(
        number,
        text(value, "vul_id") or name_id(name),
        name,
        severity_of(level),
        level,
        cves=cves_in(json.dumps(value.get("cve_id"))),
        description=safe_prose(_lines(value.get("i18n_description"))),
        solution=safe_prose(_lines(value.get("i18n_solution"))),
    )


def _lines(value: object) -> str:
    return "\n".join(str(one) for one in value) if isinstance(value, list) else str(value or "")
