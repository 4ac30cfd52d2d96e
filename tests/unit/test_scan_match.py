"""Which host a scanned host is: an address decides, nothing is guessed."""

import pytest

from tests.inventories import InventoryCopy
from tests.scan_reports import FOREIGN, OURS, OURS_NAME, Importer, nessus, nessus_host, nessus_item, xccdf
from yunwei.policy import Host
from yunwei.scan.findings import hosts_of
from yunwei.scan.match import match, usable_address
from yunwei.scan.shapes import ScannedHost

HOSTS = {
    "web1": Host("web1", (), {"ansible_host": OURS, "yunwei_scan_names": ["web1.example.org", "198.51.100.7"]}),
    "db1": Host("db1", (), {"ansible_host": "192.0.2.12"}),
    "twin": Host("twin", (), {"ansible_host": "192.0.2.12"}),
}


@pytest.mark.parametrize(
    ("found", "name", "reason"),
    [
        (ScannedHost("x", [OURS]), "web1", ""),
        (ScannedHost(OURS), "web1", ""),
        (ScannedHost("x", ["198.51.100.7"]), "web1", ""),
        (ScannedHost("x", ["127.0.0.1", "::ffff:192.0.2.11"]), "web1", ""),
        (ScannedHost("WEB1.example.org."), "web1", "by name"),
        (ScannedHost("web1", ["127.0.0.1", "fe80::1"]), "web1", "by name"),
        (ScannedHost("web1", [FOREIGN]), None, "called as web1"),
        (ScannedHost("x", [FOREIGN]), None, "no host"),
        (ScannedHost("x", ["192.0.2.12"]), None, "several hosts: db1, twin"),
        (ScannedHost("x", [OURS, "192.0.2.12"]), None, "several hosts"),
        (ScannedHost("web1.other.example", []), None, "no host"),
        (ScannedHost("web1", ambiguous=True), None, "several machines"),
    ],
)
def test_a_scanned_host_is_found_or_not_with_its_reason(found, name, reason):
    (result,) = match([found], HOSTS)
    assert result.host == name
    assert reason in result.reason


def test_two_scanned_hosts_of_one_name_are_neither():
    first, second, other = match(
        [ScannedHost("web1"), ScannedHost("web1.example.org"), ScannedHost("x", [OURS])], HOSTS
    )
    assert (first.host, second.host) == (None, None)
    assert "several hosts of the report" in first.reason
    assert other.host == "web1"


@pytest.mark.parametrize("word", ["127.0.0.1", "::1", "fe80::1", "0.0.0.0", "ff02::1", "192.0.2.1:8080", "999.1"])  # noqa: S104
def test_addresses_that_any_machine_has_match_nothing(word):
    assert usable_address(word) is None


def test_the_inventory_may_list_what_scanners_call_a_host(tmp_path):
    copy = InventoryCopy(tmp_path, "example")
    copy.write(f"host_vars/{OURS_NAME}.yml", f"yunwei_scan_names: [{FOREIGN}]\n")
    report = nessus(nessus_host([nessus_item()], FOREIGN))
    assert Importer(tmp_path).read(report)["unmatched_hosts"] == [FOREIGN]
    importer = Importer(tmp_path, copy.folder)
    again = importer.read(report)  # what the inventory has learnt since holds for what was stored before
    assert again["unmatched_hosts"] == []
    assert [host.name for host in hosts_of(importer.store, again["id"])] == [OURS_NAME]


def test_an_address_that_is_not_ours_is_stored_and_said(tmp_path):
    document = Importer(tmp_path).read(nessus(nessus_host([nessus_item()], FOREIGN, OURS_NAME)))
    assert document["unmatched_hosts"] == [OURS_NAME]
    assert any("none of its addresses is that host's" in text for text in document["warnings"])


def test_two_hosts_of_one_name_with_their_own_addresses_are_two(tmp_path):
    hosts = [nessus_host([nessus_item()], address, "same") for address in (OURS, "192.0.2.12")]
    document = Importer(tmp_path).read(nessus(*hosts))
    assert (document["hosts"], document["unmatched_hosts"]) == (2, [])


def test_one_host_twice_is_said(tmp_path):
    document = Importer(tmp_path).read(nessus(nessus_host([nessus_item()]), nessus_host([nessus_item()])))
    assert f"{OURS_NAME} is in the report 2 times" in document["warnings"]


def test_host_names_the_host_of_a_report_on_one(tmp_path):
    report = xccdf({"r1": "fail"}, "localhost.localdomain", ["127.0.0.1"])
    assert Importer(tmp_path).read(report, host=OURS_NAME)["unmatched_hosts"] == []


def test_host_is_refused_for_a_report_on_several(tmp_path):
    report = nessus(nessus_host([nessus_item()]), nessus_host([nessus_item()], "192.0.2.12"))
    assert "it is on 2 hosts" in Importer(tmp_path).refusal(report, host=OURS_NAME)


def test_host_is_refused_where_the_report_says_another(tmp_path):
    said = Importer(tmp_path).refusal(xccdf({"r1": "fail"}, "x", ["192.0.2.12"]), host=OURS_NAME)
    assert "it is on fl-app2 by its own words" in said
