"""What is done about each open finding: one outcome, by ids alone, as steps for a host and not for a CVE."""

from __future__ import annotations

import json
import stat
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.inventories import InventoryCopy
from tests.scan_reports import (
    FOREIGN,
    OURS_NAME,
    SAMPLES,
    SHEET_HEADINGS,
    Importer,
    nessus,
    nessus_host,
    nessus_item,
    openvas,
    openvas_result,
    rsas_workbook,
    rsas_xml,
    sheet_csv,
    trivy,
    workbook,
    xccdf,
)
from yunwei.cli import main
from yunwei.errors import UsageError
from yunwei.paths import content_root
from yunwei.policy.catalogue import read_catalogue
from yunwei.policy.structure import read_model
from yunwei.scan import plan_document
from yunwei.scan.findings import findings_of
from yunwei.scan.plan import KINDS, Planner
from yunwei.scan.plan_shape import ScanPlan
from yunwei.scan.waivers import waive, waivers

TODAY = date.today()
HOST = "me-db1"  # of one system, which policy hardens at level 2
WINDOWS = "fl-report1"


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


def planned(importer: Importer, content: Any, host: str | None = None, today: date = TODAY) -> dict[str, Any]:
    identity = importer.read(content, host=host)["id"]
    document, known = importer.store.document(identity), importer.policy
    planner = Planner(
        known, read_catalogue(known.inventory_dir)[0], document["scanner"], waivers(importer.store), today
    )
    made = plan_document.make(document, planner, findings_of(importer.store, identity))
    _demand_one_outcome_each(made, [one.id for one in findings_of(importer.store, identity)])
    _, problems = read_model(ScanPlan, yaml.safe_load(plan_document.as_yaml(made)), "plan.yml")
    assert [str(one) for one in problems] == [], "what is written is what harden-servers takes"
    return made


def _demand_one_outcome_each(made: dict[str, Any], ids: list[str]) -> None:
    assert sum(made["findings"].values()) == len(ids)
    listed: dict[str, set[str]] = {}
    for host in made["hosts"]:
        for kind in KINDS:
            for step in host.get(kind, []):
                for row in step["findings"]:
                    listed.setdefault(row["id"], set()).add(kind)
    for step in made["not_in_inventory"]:
        for row in step["findings"]:
            listed.setdefault(row["id"], set()).add("not_in_inventory")
    assert set(listed) == set(ids)
    assert [one for one, kinds in listed.items() if len(kinds) != 1] == []


def kind_of(made: dict[str, Any]) -> str:
    (kind,) = [kind for kind, count in made["findings"].items() if count]
    return kind


def steps(made: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    (host,) = made["hosts"]
    return list(host[kind])


def flaw(cve: str = "CVE-2031-0001", package: str = "zlib", fixed: str = "1.2", **more: str) -> dict[str, str]:
    return {"VulnerabilityID": cve, "PkgName": package, "InstalledVersion": "1.1", "FixedVersion": fixed,
            "Severity": "HIGH", **more}  # fmt: skip


def on_package(text: str) -> str:
    return nessus(nessus_host([nessus_item(99001, cve="CVE-2031-0001", output=text)]))


def short(value: object) -> str | None:
    """Name a case by its own words, not by a whole report."""
    return "report" if isinstance(value, str | bytes) and len(value) > 60 else None


def grype(kind: str) -> str:
    artifact = {"name": "zlib", "version": "1.1", "type": kind}
    found = {"id": "CVE-2031-0001", "severity": "High", "fix": {"versions": ["1.2"]}}
    return json.dumps({"matches": [{"vulnerability": found, "artifact": artifact}]})


def wazuh(kind: str) -> str:
    found = {"id": "CVE-2031-0001", "severity": "High", "scanner": {"condition": "Package less than 1.2"}}
    package = {"name": "zlib", "version": "1.1", "type": kind}
    source = {"agent": {"id": "001", "name": HOST}, "package": package, "vulnerability": found}
    return json.dumps({"hits": {"hits": [{"_source": source}]}})


_RESULTS = [{"Target": "a", "Class": "os-pkgs"}, {"Target": "b", "Vulnerabilities": [flaw()]}]
TWO_RESULTS = json.dumps({"SchemaVersion": 2, "ArtifactName": "/", "Results": _RESULTS})
RSAS_ROW = ["22", "tcp", "ssh", "SSH服务支持弱加密算法[原理扫描]", "5", "[中]", "", "", "", "", ""]
LYNIS = f"report_version_major=1\nhostname={OURS_NAME}\nsuggestion[]=AUTH-9286|Age|/etc/login.defs|-|\nfinish=true\n"
CBC = "CVE-2008-5161"  # the flaw that a rule of settings has, without a package


@pytest.mark.parametrize(
    ("content", "kind", "rules"),
    [
        (nessus(nessus_host([nessus_item(70658)])), "harden", ["sshd-ciphers"]),
        (openvas(openvas_result("1.3.6.1.4.1.25623.1.0.105611")), "harden", ["sshd-ciphers"]),
        (xccdf({"xccdf_org.ssgproject.content_rule_sshd_disable_root_login": "fail"}), "harden", ["sshd-root-login"]),
        (xccdf({"xccdf_mil.disa.stig_rule_SV-204592r9_rule": "fail"}), "harden", ["sshd-root-login"]),
        (rsas_workbook([RSAS_ROW]), "harden", ["sshd-ciphers"]),
        (nessus(nessus_host([nessus_item(99001, cve=CBC)])), "harden", ["sshd-ciphers"]),
        (LYNIS, "harden", ["password-age"]),
        (rsas_xml(points={"50857": "5"}), "person", ["web-trace"]),
        (nessus(nessus_host([nessus_item(33850)])), "person", ["release-ended"]),
        (nessus(nessus_host([nessus_item(73412)])), "update", ["openssl-package"]),
    ],
    ids=short,
)
def test_the_catalogue_answers_a_scanners_own_id(importer, content, kind, rules):
    made = planned(importer, content)
    assert kind_of(made) == kind
    (step,) = steps(made, kind)
    assert [step["rule"]] if kind == "harden" else [one["rule"] for one in step["rules"]] == rules
    assert step["findings"][0]["scanner_id"]


@pytest.mark.parametrize(
    "content",
    [
        nessus(nessus_host([nessus_item(99001, name="SSH Weak MAC Algorithms Enabled CVE-2008-5161")])),
        nessus(nessus_host([nessus_item(105611)])),  # another scanner's number
        rsas_workbook([[*RSAS_ROW[:3], "SSH服务支持弱加密算法", *RSAS_ROW[4:]]]),  # a part of the name
        workbook([SHEET_HEADINGS, (1, "192.0.2.11", 22, RSAS_ROW[3], "中危", "", "", "")]),  # a person's words
        nessus(nessus_host([nessus_item(99001, output="70658")])),
    ],
    ids=short,
)
def test_free_text_answers_nothing(importer, content):
    made = planned(importer, content)
    assert kind_of(made) == "person"
    (step,) = steps(made, "person")
    assert step["why"] == "the catalogue has no rule for it"


def test_a_rule_that_clears_only_one_cve_of_several_does_not_answer(importer):
    both = nessus_item(99001, cve=CBC).replace(f"<cve>{CBC}</cve>", f"<cve>{CBC}</cve><cve>CVE-2031-0001</cve>")
    assert kind_of(planned(importer, nessus(nessus_host([both])))) == "person"


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (trivy(flaw()), "update", ""),
        (trivy(flaw(fixed="")), "person", "the report names no fixed version of zlib"),
        (trivy(flaw(), Class="lang-pkgs"), "person", "zlib: not said to be a package of the system"),
        (trivy(flaw(), Class=""), "person", "not said to be a package of the system"),
        (TWO_RESULTS, "person", "not said to be a package of the system"),  # the second says nothing
        (grype("deb"), "update", ""),
        (grype("python"), "person", "not said to be a package of the system"),
        (wazuh("rpm"), "update", ""),
        (wazuh("pypi"), "person", "not said to be a package of the system"),
        (trivy(flaw(CBC)), "update", ""),  # a fixed version comes before a setting
        (on_package("Remote package installed : tar-1.26-35\nShould be : tar-1.26-36"), "update", ""),
        (
            on_package("Path : /opt\nInstalled version : 8.0\nFixed version : 8.1"),
            "person",
            "software outside packages",
        ),
    ],
    ids=short,
)
def test_an_update_needs_a_package_of_the_system_and_its_fixed_version(importer, content, kind, said):
    made = planned(importer, content, HOST if content.startswith("{") else None)
    assert kind_of(made) == kind
    assert said in steps(made, kind)[0].get("why", "")


def test_findings_that_one_update_clears_are_one_step(importer):
    made = planned(
        importer, trivy(flaw(), flaw("CVE-2031-0002", fixed="1.3"), flaw("CVE-2014-6271", "bash", "4.3")), HOST
    )
    bash, zlib = steps(made, "update")
    assert (zlib["package"], zlib["installed"], zlib["fixed"]) == ("zlib", ["1.1"], ["1.2", "1.3"])
    assert zlib["cves"] == ["CVE-2031-0001", "CVE-2031-0002"]
    assert len(zlib["findings"]) == 2
    assert [rule["rule"] for rule in bash["rules"]] == ["bash-package"]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (WINDOWS, "not reached by SSH, so harden-servers leaves it out"),
        ("fi-db1", "policy hardens no system of this host: give financedata a section `hardening`"),
    ],
)
def test_a_host_that_the_job_does_not_harden_is_work_for_people(importer, host, said):
    made = planned(importer, xccdf({"sshd_disable_root_login": "fail"}, target="x", addresses=[]), host)
    (step,) = steps(made, "person")
    assert said in step["why"]
    assert step["rules"][0]["rule"] == "sshd-root-login"


def test_a_rule_that_policy_waives_on_the_host_is_waived(importer):
    content = xccdf({"sshd_disable_x11_forwarding": "fail"}, target="x", addresses=[])
    made = planned(importer, content, "fl-etl1", date(2026, 12, 1))
    assert steps(made, "waived")[0]["why"].startswith("policy leaves the rule out: sshd-x11: the designer of TongETL")
    assert kind_of(planned(importer, content, "fl-etl1", date(2027, 7, 1))) == "harden"


def test_an_accepted_finding_is_waived_until_its_day(importer):
    content = nessus(nessus_host([nessus_item(70658)]))
    (row,) = steps(planned(importer, content), "harden")[0]["findings"]
    until = TODAY + timedelta(days=9)
    waive(importer.store, row["id"], "isolated", "head", until)
    assert "by head: isolated" in steps(planned(importer, content, today=until), "waived")[0]["why"]
    assert kind_of(planned(importer, content, today=until + timedelta(days=1))) == "harden"


def test_a_host_that_is_not_ours_is_listed_and_nothing_is_planned_for_it(importer):
    made = planned(importer, nessus(nessus_host([nessus_item(70658)], FOREIGN)))
    assert made["hosts"] == []
    assert [(one["host"], len(one["findings"])) for one in made["not_in_inventory"]] == [(FOREIGN, 1)]


def test_a_host_that_has_left_the_inventory_since_is_not_planned_for(importer, tmp_path):
    identity = importer.read(nessus(nessus_host([nessus_item(70658)])))["id"]
    other = InventoryCopy(tmp_path).load()
    planner = Planner(other, read_catalogue()[0], "nessus", {}, TODAY)
    (one,) = planner.outcomes(findings_of(importer.store, identity))
    assert (one.kind, one.why) == (
        "not_in_inventory", f"{OURS_NAME} is no longer in the inventory: import the report once more",
    )  # fmt: skip


def test_rules_that_policy_lacks_are_named_with_all_hosts_that_would_get_them(importer):
    made = planned(importer, xccdf({"SV-204584": "fail", "SV-204592": "fail"}, target="x", addresses=[]), HOST)
    assert [(step["rule"], step["policy"]) for step in steps(made, "harden")] == [
        ("kernel-memory", "add"), ("sshd-root-login", "has it"),
    ]  # fmt: skip
    assert made["policy"] == [
        {
            "file": "policy/systems/mediation.yml",
            "hardening": {"add": ["kernel-memory"]},
            "for": [HOST],
            "holds_also_on": ["me-app1", "me-portal1"],
        }
    ]


def test_informational_findings_and_what_passed_are_not_planned(importer):
    content = nessus(nessus_host([nessus_item(70658, severity=0), nessus_item(1, severity=1)]))
    assert planned(importer, content)["findings"]["person"] == 1
    assert sum(planned(importer, xccdf({"SV-204592": "pass"}, addresses=[]))["findings"].values()) == 0


def test_the_file_says_the_same_each_time_and_holds_hostile_words_as_text(importer):
    hostile = "{{ 7*7 }} &#x202e; !!python/object *a # x: [y"
    content = nessus(nessus_host([nessus_item(1, name=hostile), nessus_item(2, name="- !x")]))
    first, second = (plan_document.as_yaml(planned(importer, content)) for _ in range(2))
    assert first == second
    read = yaml.safe_load(first)
    names = [row["name"] for step in read["hosts"][0]["person"] for row in step["findings"]]
    assert names == ["{{ 7*7 }} ⟨U+202E⟩ !!python/object *a # x: [y", "- !x"]
    assert "&id" not in first


def test_a_file_that_may_have_been_edited_is_never_overwritten(importer, tmp_path):
    made, path = planned(importer, nessus()), tmp_path / "plan.yml"
    plan_document.write(made, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("edited", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        plan_document.write(made, path)
    assert path.read_text(encoding="utf-8") == "edited"


def test_the_command_prints_writes_and_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    example = str(content_root() / "inventories" / "example")
    assert main(["scan", "import", str(Importer(tmp_path).write(sheet_csv())), "-i", example]) == 0
    identity = next((tmp_path / "state" / "scans").glob("s-*.sqlite")).stem
    capsys.readouterr()
    words, path = ["scan", "plan", identity[:6], "-i", example], tmp_path / "plan.yml"
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["findings"]["not_in_inventory"] == 1
    assert main(words) == 0
    assert yaml.safe_load(capsys.readouterr().out) == document
    assert main([*words, "-o", str(path)]) == 0
    assert "not_in_inventory 1" in capsys.readouterr().out
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == document
    assert main([*words, "-o", str(path)]) == 2
    assert main([*words, "-o", str(tmp_path / "no" / "plan.yml")]) == 2
    assert main(["scan", "plan", "s-nothing", "-i", example]) == 2
    assert "no report" in capsys.readouterr().err


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the sample reports are not in {SAMPLES}")
@pytest.mark.parametrize(
    ("name", "counts", "some"),
    [
        ("02-nessus-v2-ubuntu0804-1host.nessus", {"harden": 4, "update": 1, "person": 32},
         {"sshd-ciphers", "services-cleartext", "compromised"}),
        ("03-nessus-13col.csv", {"harden": 3, "update": 1, "person": 69}, {"sshd-macs", "php-cgi", "tls-certificate"}),
        ("04-openvas-gmp9-metasploitable2.xml", {"harden": 3, "update": 2, "person": 39},
         {"sshd-ciphers", "openssl-package", "postgresql-access"}),
        ("06-trivy-centos7.json", {"update": 2, "person": 1}, set()),
        ("07-trivy-mixed-classes.json", {"update": 3, "person": 2}, set()),
        ("08-xccdf12-openscap-rhel7.xml", {"harden": 23, "person": 114}, {"net-forwarding", "audit-rules"}),
        ("13-nsfocus-rsas-v6-index.html", {"harden": 1, "person": 6}, {"sshd-ciphers", "sshd-version"}),
    ],
)  # fmt: skip
def test_every_finding_of_a_real_report_has_one_outcome(importer, name, counts, some):
    made = planned(importer, SAMPLES / name, HOST)
    assert {kind: count for kind, count in made["findings"].items() if count} == counts
    (host,) = made["hosts"]
    rules = Counter(
        rule["rule"]
        for kind in ("harden", "update", "person")
        for step in host.get(kind, [])
        for rule in (step.get("rules") or ([step] if "rule" in step else []))
    )
    assert some <= set(rules)
