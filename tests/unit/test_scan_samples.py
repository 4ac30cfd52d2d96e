"""Every sample report gives the counts that an independent program counted."""

import json

import pytest

from tests.scan_reports import SAMPLES, Importer
from yunwei.scan.importing import PRINTED
from yunwei.scan.shapes import SEVERITIES

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the sample reports are not in {SAMPLES}")
TRUTH = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8")) if SAMPLES.is_dir() else {}

# name: format, findings of critical, high, medium, low, info, unknown
EXPECTED = {
    "01-nessus-v2-3linux-hosts.nessus": ("nessus-xml", (1, 1, 5, 2, 140, 0)),
    "02-nessus-v2-ubuntu0804-1host.nessus": ("nessus-xml", (8, 5, 16, 8, 118, 0)),
    "03-nessus-13col.csv": ("nessus-csv", (3, 12, 45, 13, 117, 0)),
    "04-openvas-gmp9-metasploitable2.xml": ("openvas-xml", (0, 19, 23, 0, 0, 2)),
    "05-openvas-25col.csv": ("openvas-csv", (0, 1, 39, 1, 0, 0)),
    "06-trivy-centos7.json": ("trivy-json", (0, 0, 1, 2, 0, 0)),
    "07-trivy-mixed-classes.json": ("trivy-json", (1, 1, 3, 0, 0, 0)),
    "08-xccdf12-openscap-rhel7.xml": ("xccdf", (0, 6, 124, 7, 0, 0)),
    "09-arf-openscap-small.xml": ("arf", (0, 0, 0, 0, 0, 1)),
    "10-nmap-os-banner-scripts.xml": ("nmap-xml", (0, 0, 0, 0, 0, 0)),
    "11-nmap-vulners.xml": ("nmap-xml", (0, 0, 0, 0, 0, 0)),
    "12-nsfocus-rsas-v6-structure.xml": ("rsas-v6-xml", (0, 0, 0, 0, 0, 1)),
    "13-nsfocus-rsas-v6-index.html": ("rsas-v6-html", (0, 0, 0, 7, 0, 0)),
    "15-wazuh-v48.json": ("wazuh-json", (10, 0, 0, 0, 0, 0)),
    "16-lynis-debian.dat": ("lynis-dat", (0, 0, 0, 0, 0, 38)),
    "18-xccdf-oval-rhsa-small.xml": ("xccdf", (0, 0, 0, 1, 0, 0)),
}
_HOSTS = ("hosts", "hosts_total")
_CVES = ("distinct_cves", "distinct_cves_any_script")


def _of_the_truth(name, keys, otherwise):
    return next((TRUTH[name][key] for key in keys if key in TRUTH[name]), otherwise)


def test_every_sample_is_tested():
    assert set(EXPECTED) == set(TRUTH) == {path.name for path in SAMPLES.glob("[0-9]*")}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_is_counted_as_it_was_counted(tmp_path, name):
    document = Importer(tmp_path).read(SAMPLES / name)
    form, counts = EXPECTED[name]
    assert document["format"] == form
    assert document["findings"] == dict(zip(SEVERITIES, counts, strict=True))
    detail = TRUTH[name].get("detail", [{}])[0]
    agents = len(TRUTH[name].get("agents", [])) or None
    assert document["hosts"] == _of_the_truth(name, _HOSTS, agents)
    assert document["cves"] == _of_the_truth(name, _CVES, detail.get("distinct_cves_in_failed_rules", 0))
    assert set(PRINTED) <= set(document)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_sum_is_that_of_the_truth(name):
    truth = TRUTH[name]
    keys = ("report_items", "findings_host_port_proto_id", "results", "vulnerabilities", "findings_port_level",
            "vuln_rows", "hits")  # fmt: skip
    total = next((truth[key] for key in keys if key in truth), None)
    if total is None:
        total = truth["detail"][0]["result"]["fail"] if "detail" in truth else truth.get("suggestions", 0)
        total += truth.get("warnings", 0)
    assert sum(EXPECTED[name][1]) == total


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_cut_short_is_refused_with_the_place(tmp_path, name):
    content = (SAMPLES / name).read_bytes()
    cut = content[: len(content) * 2 // 3]
    said = Importer(tmp_path).refusal(cut)
    assert "export it once more" in said
    assert "report" in said


def test_a_part_of_a_larger_answer_says_so(tmp_path):
    document = Importer(tmp_path).read(SAMPLES / "15-wazuh-v48.json")
    assert document["declared"] == {"findings": 125}
    assert "the report declares 125 findings, it holds 10" in document["warnings"]
    assert document["complete"] is False


def test_what_was_not_an_address_is_not_matched(tmp_path):
    document = Importer(tmp_path).read(SAMPLES / "04-openvas-gmp9-metasploitable2.xml")
    assert document["unmatched_hosts"] == ["192.168.1.1001"]
