"""The layouts that no sample shows, made up for the test, and the traps of each."""

import bz2
import gzip
import json
import weakref

import pytest

from tests import scan_reports as made
from tests.scan_reports import Importer
from yunwei.scan.findings import findings_of
from yunwei.scan.readers import rsas_html


@pytest.fixture
def importer(tmp_path):
    return Importer(tmp_path)


def _rows(importer, document, **more):
    return list(findings_of(importer.store, document["id"], with_all=True, **more))


def _counted(document):
    return {word: count for word, count in document["findings"].items() if count}


def test_one_item_that_stands_twice_is_two_items_of_one_identity(importer):
    document = importer.read(made.nessus(made.nessus_host([made.nessus_item(), made.nessus_item()])))
    assert _counted(document) == {"medium": 2}
    first, second = _rows(importer, document)
    assert first.id == second.id


def test_compliance_checks_are_told_apart_by_their_own_name(importer):
    item = made.nessus_item(21157).replace('"General"', '"Policy Compliance"')
    named = [
        item.replace("<solution>", f'<cm:compliance-check-name xmlns:cm="http://www.nessus.org/cm">{name}'
                                   "</cm:compliance-check-name><solution>")
        for name in ("1.1", "1.2")
    ]  # fmt: skip
    document = importer.read(made.nessus(made.nessus_host(named)))
    assert {one.rule for one in _rows(importer, document)} == {"21157/1.1", "21157/1.2"}


def test_rows_of_one_finding_are_one_with_all_its_cves_and_the_first_severity(importer):
    text = (
        made.NESSUS_CSV
        + made.nessus_row(cve="CVE-2020-0001", risk="High")
        + made.nessus_row(2)
        + made.nessus_row(cve="CVE-2020-0002")
    )
    document = importer.read(text)
    assert _counted(document) == {"high": 1, "medium": 1}
    assert document["cves"] == 2
    assert _rows(importer, document)[0].cves == ("CVE-2020-0001", "CVE-2020-0002")


def test_the_columns_of_a_csv_may_be_any_and_severity_outranks_risk(importer):
    heading = "Plugin ID,Severity,Risk,IP Address,Host,Protocol,Port,Name,Vulnerability State,,\r\n"
    rows = f"1,3,Medium,{made.OURS},n,TCP,22,x,Active,,\r\n,,,,,,,,,,\r\n2,4,Low,{made.OURS},n,tcp,22,y,Fixed,,\r\n"
    document = importer.read(heading + rows)
    assert _counted(document) == {"high": 1}
    assert "1 rows say that they are fixed and are not counted" in document["warnings"]
    assert document["unmatched_hosts"] == []


def test_results_of_openvas_are_told_apart_though_they_share_an_id(importer):
    report = made.openvas(
        made.openvas_result("1.3.6.1.4.1.25623.1.0.1", "CVE-2020-0001") + made.openvas_result("2", threat="Log")
    )
    document = importer.read(report)
    assert _counted(document) == {"high": 1, "info": 1}
    assert document["cves"] == 1


def test_an_unfinished_scan_of_openvas_is_not_complete(importer):
    document = importer.read(made.openvas(made.openvas_result("1"), scan_end=""))
    assert document["complete"] is False
    assert any("no scan_end" in text for text in document["warnings"])


def test_only_failed_rules_are_findings_and_what_could_not_be_judged_is_said(importer):
    results = {"a": "fail", "b": "pass", "c": "error", "d": "notchecked", "e": "notselected", "f": "fixed"}
    document = importer.read(made.xccdf(results))
    assert _counted(document) == {"medium": 1}
    assert any(text.startswith("2 rules could not be judged") for text in document["warnings"])
    assert {one.rule: one.status for one in _rows(importer, document)} == {
        "a": "open", "b": "passed", "c": "unjudged", "d": "unjudged", "e": "noted", "f": "passed",
    }  # fmt: skip


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda data: made.zipped({"inside.bin": data})])
def test_packed_reports_are_read_as_they_are(importer, pack):
    assert _counted(importer.read(pack(made.xccdf({"a": "fail"}).encode()))) == {"medium": 1}


def test_trivy_tells_packages_apart_and_reads_no_secrets(importer):
    flaws = [{"VulnerabilityID": "CVE-2020-0001", "PkgName": name, "Severity": "HIGH"} for name in ("a", "b")]
    document = importer.read(made.trivy(*flaws, Secrets=[{"Match": "hidden"}]), host=made.OURS_NAME)
    assert (_counted(document), document["cves"], document["unmatched_hosts"]) == ({"high": 2}, 1, [])
    assert any(text.startswith("1 secrets are in the report and are not read") for text in document["warnings"])
    assert len({one.id for one in _rows(importer, document)}) == 2


@pytest.mark.parametrize(
    ("report", "count"),
    [("null", 0), ("[]", 0), ('[{"Target": "x", "Vulnerabilities": null}]', 0),
     ('[{"Target": "x", "Vulnerabilities": [{"VulnerabilityID": "GHSA-1", "PkgName": "p", "Severity": "LOW"}]}]', 1)],
)  # fmt: skip
def test_what_older_releases_of_trivy_write_is_read(importer, report, count):
    document = importer.read(report)
    assert (sum(document["findings"].values()), document["cves"], document["hosts"]) == (count, 0, 1)


def test_grype_counts_related_cves(importer):
    match = {"vulnerability": {"id": "GHSA-x", "severity": "Negligible", "fix": {"versions": ["2"]}},
             "relatedVulnerabilities": [{"id": "CVE-2020-0001"}],
             "artifact": {"name": "p", "version": "1"}}  # fmt: skip
    document = importer.read(json.dumps({"matches": [match], "descriptor": {"timestamp": "2026-11-01T08:00:00Z"}}))
    assert (document["format"], _counted(document), document["cves"]) == ("grype-json", {"low": 1}, 1)
    (found,) = _rows(importer, document)
    assert found.packages[0] == ("p", "1", "2")


def test_masscan_s_elements_of_one_host_are_one_host(importer):
    port = (
        '<host><address addr="{a}" addrtype="ipv4"/><ports><port protocol="tcp" portid="{p}"><state state="open"/>'
        "</port></ports></host>"
    )
    hosts = "".join(port.format(a=made.OURS, p=number) for number in (22, 80))
    document = importer.read(f'<nmaprun scanner="masscan" start="1">{hosts}<runstats/></nmaprun>')
    assert (document["scanner"], document["hosts"], sum(document["findings"].values())) == ("masscan", 1, 0)
    assert {one.port for one in _rows(importer, document)} == {22, 80}


def test_the_older_answer_of_wazuh_is_read(importer):
    item = {"agent_name": made.OURS_NAME, "cve": "CVE-2020-0001", "severity": "-", "name": "p", "version": "1"}
    document = importer.read(json.dumps({"data": {"affected_items": [item], "total_affected_items": 1}}))
    assert (_counted(document), document["cves"], document["unmatched_hosts"]) == ({"unknown": 1}, 1, [])


def test_rsas_xml_takes_severity_and_cves_from_the_detail_of_the_same_target(importer):
    document = importer.read(made.rsas_xml())
    assert (_counted(document), document["cves"]) == ({"high": 1, "medium": 1, "low": 1}, 6)


def test_an_rsas_archive_of_workbooks_is_read_host_by_host(importer):
    rows = [
        (22.0, "TCP", "ssh", "弱算法【原理扫描】", 5.0, "[中]", "2020-01-01", "CVE-2008-5161", "说明", "关闭", ""),
        ("", "", "", "版本可被获取", 1.0, "[低]", "", "", "", "", ""),
        ("--", "", "", "时间戳", 1.0, "[低]", "", "", "", "", ""),
    ]
    names = {"index.xls": b"", f"{made.OURS}.xls": made.rsas_workbook(rows), f"vulnhostsfiles/{made.FOREIGN}.xls": b""}
    document = importer.read(made.zipped(names))
    assert (document["format"], document["hosts"], _counted(document)) == ("rsas-v6-xls", 1, {"medium": 1, "low": 2})
    assert {one.name: one.port for one in _rows(importer, document)} == {
        "弱算法【原理扫描】": 22, "版本可被获取": 22, "时间戳": None,
    }  # fmt: skip
    alone = importer.read(made.rsas_workbook(rows))
    assert (alone["hosts"], alone["unmatched_hosts"]) == (1, [])


def _v5_page(address=made.OURS):
    return (
        f"<html><body><table id=summary><tr><td>IP地址</td><td>{address}</td></tr>"
        "<tr><td>主机名</td><td>w</td></tr></table>"
        "<table id=portwithvulnlist><tr><td>22</td><td>TCP</td><td>ssh</td><td>"
        "<a class=vul-vh href=#tag101>远程溢出</a><a class=vul-vl href=#tag102>信息</a></td></tr></table>"
        "<table id=accounts><tr><td>root</td><td>Xq7-Winter-2031</td></tr></table></body></html>"
    )


def test_pages_of_rsas_5_are_joined_with_the_texts_of_the_index(importer):
    index = (
        "<html><body><table id=vulDataTable><tr><td><a>远程溢出</a></td></tr><tr><td><table><tr><td>CVE编号</td>"
        "<td>CVE-2020-0001</td></tr><tr><td>解决办法</td><td>升级</td></tr></table></td></tr></table></body></html>"
    )
    document = importer.read(made.zipped({"index.html": index, f"hosts/1-{made.OURS}.html": _v5_page()}))
    assert (document["format"], _counted(document), document["cves"]) == ("rsas-v5-html", {"high": 1, "low": 1}, 1)
    assert [(one.rule, one.port, one.solution) for one in _rows(importer, document)] == [
        ("101", 22, "升级"), ("102", 22, ""),
    ]  # fmt: skip


def _data_page(categories):
    data = json.dumps({"categories": categories}, ensure_ascii=False)
    return f"<!DOCTYPE html><html><body><script>window.data = {data};</script></body></html>"


VULNERABILITY = {"vul_id": 101, "vul_level": "middle", "vul_msg": {"i18n_name": "弱算法", "cve_id": "CVE-2008-5161",
                 "i18n_solution": ["关闭"], "i18n_description": ["说明"]}}  # fmt: skip


@pytest.mark.parametrize("nested", [False, True])
def test_host_pages_of_newer_rsas_6_carry_ports(importer, nested):
    detail = {"mark": "vul-detail", "data": {"vul_items": [
        {"port": 22, "protocol": "TCP", "service": "ssh", "vuls": [VULNERABILITY]}]}}  # fmt: skip
    summary = {"mark": "host-summary", "data": {"target": made.OURS}}
    categories = [summary, {"mark": "x", "children": [detail]} if nested else detail]
    document = importer.read(_data_page(categories))
    assert (document["format"], _counted(document), document["cves"]) == ("rsas-v6-html-r04", {"medium": 1}, 1)
    (found,) = _rows(importer, document)
    assert (found.host, found.port, found.rule, found.solution) == (made.OURS_NAME, 22, "101", "关闭")


def test_the_index_of_newer_rsas_6_counts_a_line_once_for_all_its_hosts(importer):
    line = {"vul_id": 101, "i18n_name": "弱算法", "vuln_level": "high", "target": [made.OURS, made.FOREIGN]}
    categories = [{"mark": "i", "data": {"vulns_info": {"vuln_distribution": {"vuln_list": [line]}}}}]
    document = importer.read(_data_page(categories))
    assert (document["hosts"], _counted(document)) == (2, {"high": 1})
    assert len(_rows(importer, document)) == 2


def _index_category(*names):
    lines = [{"i18n_name": name, "vuln_level": "high", "target": [made.OURS]} for name in names]
    return {"mark": "i", "data": {"vulns_info": {"vuln_distribution": {"vuln_list": lines}}}}


def _host_categories(address):
    items = {"vul_items": [{"port": 22, "protocol": "TCP", "vuls": [VULNERABILITY]}]}
    return [{"mark": "host-summary", "data": {"target": address}}, {"mark": "vul-detail", "data": items}]


def test_each_line_of_an_index_counts_whatever_list_it_is_in(importer):
    document = importer.read(_data_page([_index_category("一"), _index_category("二"), _index_category("三", "四")]))
    assert _counted(document) == {"high": 4}


class _Page(dict):
    __hash__ = object.__hash__


def test_pages_of_newer_rsas_6_are_in_memory_one_at_a_time_and_the_index_is_not_counted_again(importer, monkeypatch):
    pages = {f"{one}.html": _data_page(_host_categories(one)) for one in (made.OURS, made.FOREIGN, "203.0.113.251")}
    alive, seen, read = weakref.WeakSet(), [], rsas_html._data

    def watched(source):
        seen.append(len(alive))
        found = _Page(read(source))
        alive.add(found)
        return found

    monkeypatch.setattr(rsas_html, "_data", watched)
    document = importer.read(made.zipped({"index.html": _data_page([_index_category("一")]), **pages}))
    assert (document["hosts"], _counted(document)) == (3, {"medium": 3})
    assert seen == [0] * 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_a_merged_sheet_is_read_in_every_encoding_with_every_separator(importer, encoding, separator):
    if separator == ";":
        content = made.sheet_csv(",").replace(";", "、").replace(",", ";")
    else:
        content = made.sheet_csv(separator)
    document = importer.read(content.encode(encoding))
    assert (document["format"], document["hosts"], document["unmatched_hosts"]) == ("sheet-csv", 2, [made.FOREIGN])
    assert _counted(document) == {"high": 1, "medium": 2, "low": 1}
    assert document["cves"] == 1


def test_a_merged_workbook_may_have_titles_above_its_headings(importer):
    document = importer.read(made.workbook([("漏洞汇总表",), (), made.SHEET_HEADINGS, *made.SHEET_ROWS]))
    assert (document["format"], _counted(document)) == ("sheet-xlsx", {"high": 1, "medium": 2, "low": 1})


def test_a_severity_of_no_table_is_unknown_and_said(importer):
    document = importer.read(made.workbook([made.SHEET_HEADINGS, (1, made.OURS, 22, "x", "中高", "", "", "")]))
    assert _counted(document) == {"unknown": 1}
    assert any("中高" in text for text in document["warnings"])


def test_gb18030_that_calls_itself_utf_8_is_read_and_said(importer):
    report = made.rsas_xml().encode("gb18030")
    document = importer.read(report)
    assert sum(document["findings"].values()) == 3
    assert any("gb18030" in text for text in document["warnings"])
    assert {one.name for one in _rows(importer, document)} == {"漏洞101", "漏洞102", "漏洞103"}


def test_gb18030_that_says_so_is_read(importer):
    report = made.rsas_xml().replace('encoding="utf-8"', 'encoding="GB18030"').encode("gb18030")
    assert sum(importer.read(report)["findings"].values()) == 3
