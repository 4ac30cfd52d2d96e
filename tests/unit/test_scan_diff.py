"""Comparing: absence is no repair, and two scanners meet in the CVE."""

import pytest

from tests.scan_reports import (
    NESSUS_CSV,
    OURS,
    Importer,
    logged_in,
    nessus,
    nessus_host,
    nessus_item,
    nessus_row,
    openvas,
    openvas_result,
    rsas_xml,
    sheet_csv,
    trivy,
    xccdf,
)
from yunwei.scan.diff import compare, side_of, summary

OTHER = "192.0.2.12"


@pytest.fixture
def verdicts(tmp_path):
    importer = Importer(tmp_path)

    def _verdicts(old, new, **more):
        sides = [side_of(importer.store, importer.read(one)["id"]) for one in (old, new)]
        return {(one.finding.rule, one.finding.host): one for one in compare(*sides, **more)}

    return _verdicts


def _one(found):
    (only,) = found.values()
    return only


def test_what_the_same_scan_no_longer_names_is_gone_and_the_rest_is_still_there(verdicts):
    old = nessus(nessus_host([nessus_item(1), nessus_item(2)]))
    new = nessus(nessus_host([nessus_item(2), nessus_item(3)]))
    found = verdicts(old, new)
    assert {rule: one.verdict for (rule, _), one in found.items()} == {"1": "gone", "2": "still_there", "3": "new"}
    assert summary(found.values())["gone"] == 1


def test_a_host_that_is_absent_is_not_scanned_and_never_fixed(verdicts):
    old = nessus(nessus_host([nessus_item(1)]), nessus_host([nessus_item(1)], OTHER))
    found = verdicts(old, nessus(nessus_host([], OTHER)))
    assert {host: one.verdict for (_, host), one in found.items()} == {"fl-app1": "not_scanned", "fl-app2": "gone"}


def test_a_host_that_was_down_is_not_scanned(verdicts):
    down = f'<nmaprun><host><status state="down"/><address addr="{OURS}" addrtype="ipv4"/></host><runstats/></nmaprun>'
    assert _one(verdicts(nessus(), down)).verdict == "not_scanned"


@pytest.mark.parametrize(
    ("tags", "output", "reason"),
    [(logged_in("false"), "", "credentials"), ("", "Port range : 1-1024", "ports")],
)
def test_another_way_of_scanning_proves_nothing(verdicts, tags, output, reason):
    old = nessus(nessus_host([nessus_item(1)], tags=logged_in("true") if tags else ""))
    new = nessus(nessus_host([nessus_item(19506, 0, output=output)], tags=tags))
    found = _one(verdicts(old, new))
    assert found.verdict == "not_retested"
    assert reason in found.reason


def _scanned(rule, login):
    """Return a CSV of Nessus: a finding, and what the plugin on the scan says of the login."""
    return NESSUS_CSV + nessus_row(rule) + nessus_row(19506, risk="None", output=login)


def _host_of_openvas(detail):
    details = f"<detail><name>{detail}</name><value>Protocol SSH</value></detail>" if detail else ""
    return f"<host><ip>{OURS}</ip>{details}</host>"


def _openvas(oid, detail):
    return openvas(openvas_result(oid)).replace("<results>", _host_of_openvas(detail) + "<results>")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (nessus(nessus_host([nessus_item(1)], tags="")), nessus(nessus_host([])), "1"),
        (nessus(nessus_host([nessus_item(1)])), nessus(nessus_host([], tags="")), "1"),
        (_scanned(1, ""), _scanned(2, ""), "1"),
        (_openvas("1", ""), _openvas("2", ""), "1"),
        (rsas_xml(), rsas_xml(points={"101": "7.0", "102": "4.0"}), "103"),
    ],
    ids=["nessus-before", "nessus-after", "nessus-csv", "openvas", "rsas"],
)
def test_where_the_login_is_unknown_nothing_is_gone_unless_somebody_vouches_for_it(verdicts, old, new, rule):
    found = verdicts(old, new)[rule, "fl-app1"]
    assert (found.verdict, found.cause) == ("not_retested", "login_unknown")
    assert verdicts(old, new, same_login=True)[rule, "fl-app1"].verdict == "gone"


@pytest.mark.parametrize(
    ("make", "yes", "no"),
    [
        (_scanned, "Credentialed checks : yes, as 'root' via ssh", "Credentialed checks : no"),
        (_openvas, "Auth-SSH-Success", "Auth-SSH-Failure"),
    ],
    ids=["nessus-csv", "openvas"],
)
def test_what_a_report_says_of_the_login_outweighs_whoever_vouches(verdicts, make, yes, no):
    rules = [("1", "fl-app1"), ("2", "fl-app1")]
    alike, other = (
        [verdicts(make(1, yes), make(2, one), same_login=True)[rule] for rule in rules] for one in (yes, no)
    )
    assert [one.verdict for one in alike] == ["gone", "new"]
    assert [(one.verdict, one.cause) for one in other] == [("not_retested", "credentials"), ("new", "")]


def test_what_reads_the_host_s_own_files_needs_no_login(verdicts):
    flaws = [{"VulnerabilityID": f"CVE-2020-000{one}", "PkgName": "p", "Severity": "LOW"} for one in (1, 2)]
    found = verdicts(trivy(*flaws), trivy(flaws[0]))
    assert {one.finding.cves: one.verdict for one in found.values()} == {
        ("CVE-2020-0001",): "still_there", ("CVE-2020-0002",): "gone",
    }  # fmt: skip


def test_a_report_that_is_not_whole_proves_nothing(verdicts):
    found = verdicts(openvas(openvas_result("1")), openvas(openvas_result("2"), scan_end=""))
    assert found["1", "fl-app1"].verdict == "not_retested"


def test_only_a_rule_that_passed_is_gone(verdicts):
    old = xccdf({"a": "fail", "b": "fail", "c": "fail", "d": "fail", "e": "fail"})
    new = xccdf({"a": "pass", "b": "notselected", "c": "error", "d": "fail"})
    found = {rule: one.verdict for (rule, _), one in verdicts(old, new).items()}
    assert found == {
        "a": "gone", "b": "not_retested", "c": "not_retested", "d": "still_there", "e": "not_retested",
    }  # fmt: skip


def test_two_scanners_meet_in_the_cve_on_the_same_host(verdicts):
    old = nessus(
        nessus_host([nessus_item(1, cve="CVE-2020-0001"), nessus_item(2, cve="CVE-2020-0002"), nessus_item(3)])
    )
    found = verdicts(old, openvas(openvas_result("9", "CVE-2020-0001") + openvas_result("8", "CVE-2020-0003")))
    assert {rule: one.verdict for (rule, _), one in found.items()} == {
        "1": "still_there", "2": "not_retested", "3": "not_retested", "8": "new",
    }  # fmt: skip


def test_csv_and_xml_of_one_scanner_have_the_same_ids(verdicts):
    found = verdicts(nessus(nessus_host([nessus_item(10001)])), NESSUS_CSV + nessus_row(10001))
    assert _one(found).verdict == "still_there"


def test_a_merged_sheet_proves_no_repair(verdicts):
    found = verdicts(sheet_csv(), sheet_csv().replace("弱算法", "另一个").replace("CVE-2008-5161", ""))
    assert found["CVE-2008-5161", "fl-app1"].verdict == "not_retested"


def test_the_text_of_a_finding_is_no_part_of_its_identity(verdicts):
    old = nessus(nessus_host([nessus_item(1, name="Old words")]))
    assert (
        _one(verdicts(old, nessus(nessus_host([nessus_item(1, 3, name="New words", output="x")])))).verdict
        == "still_there"
    )
