"""No password of a report is stored or printed, wherever in the report it stands."""

import json

import pytest

from tests import scan_reports as made
from tests.scan_reports import OURS, SECRET, SHEET_HEADINGS, Importer
from yunwei.cli import main
from yunwei.paths import content_root

EXAMPLE = str(content_root() / "inventories" / "example")
COMPLIANCE = (
    made.nessus_item()
    .replace('"General"', '"Policy Compliance"')
    .replace(
        "<solution>",
        '<cm:compliance-check-name xmlns:cm="http://www.nessus.org/cm">{}</cm:compliance-check-name><solution>',
    )
)


@pytest.mark.parametrize(
    "report",
    [
        made.rsas_xml(weak=f"<password><user>root</user><password>{SECRET}</password></password>"),
        made.rsas_xml(message=f"用户名:root 口令:{SECRET}"),
        made.rsas_workbook([(22, "TCP", "ssh", "SSH弱口令", 9, "[高]", "", "", "", "", f"root/{SECRET}")]),
        made.nessus(made.nessus_host([made.nessus_item(output=f"user: root&#10;password: {SECRET}")])),
        made.nessus(made.nessus_host([made.nessus_item(name="Default Credentials", output=f"root / {SECRET}")])),
        made.openvas(
            made.openvas_result("1").replace("<threat>", f"<description>Login with {SECRET}</description><threat>")
        ),
        made.NESSUS_CSV + made.nessus_row(output=f"Password : {SECRET}"),
        made.nessus(made.nessus_host([made.nessus_item(name=f"Default Password ({SECRET}) for 'root'")])),
        made.nessus(made.nessus_host([COMPLIANCE.format(f"The password is {SECRET}")])),
        (made.NESSUS_CSV + made.nessus_row()).replace("A flaw", f"Account has the password '{SECRET}'"),
        made.openvas(made.openvas_result("1").replace("<name>n</name>", f"<name>Default Credentials: {SECRET}</name>")),
        made.rsas_xml().replace("漏洞101", f"弱口令：{SECRET}"),
        made.rsas_workbook([(22, "TCP", "ssh", f"SSH弱口令【root/{SECRET}】", 9, "[高]", "", "", "", "", "")]),
        made.trivy({"VulnerabilityID": "x", "PkgName": "p", "Severity": "LOW", "Title": f"token {SECRET}"}),
        f"report_version_major=1\nhostname=h\nwarning[]=A-1|text|password: {SECRET}|-|\nfinish=true\n",
        made.workbook(
            [SHEET_HEADINGS, (1, OURS, 22, f"口令(a/{SECRET})", "高", f"密码为{SECRET}", f"口令：{SECRET}", "")]
        ),
        made.zipped({"hosts/1.html": f"<html><table id=summary><tr><td>IP地址</td><td>{OURS}</td></tr></table>"
                "<table id=portwithvulnlist><tr><td>22</td><td>TCP</td><td>ssh</td><td>"
                f"<a class=vul-vh href=#>弱密码为{SECRET}</a></td></tr></table>"
                f"<table id=accounts><tr><td>root</td><td>{SECRET}</td></tr></table></html>"}),
    ],
    ids=["rsas-list", "rsas-message", "rsas-xls", "nessus", "nessus-name", "openvas", "csv", "name-of-nessus",
         "name-of-check", "name-of-csv", "name-of-openvas", "name-of-rsas", "name-of-xls", "name-of-trivy", "lynis",
         "sheet", "rsas-v5"],
)  # fmt: skip
def test_a_password_in_a_report_is_neither_stored_nor_printed(tmp_path, monkeypatch, capsys, report):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    path = Importer(tmp_path).write(report)
    assert main(["scan", "import", str(path), "-i", EXAMPLE, "--json"]) == 0
    identity = next((tmp_path / "state" / "scans").glob("*.sqlite")).stem
    assert main(["scan", "show", identity, "--all", "--json"]) == 0
    said = "".join(capsys.readouterr())
    assert SECRET not in said
    for file in (tmp_path / "state").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()
    assert sum(json.loads(said[: said.index("\n}\n") + 2])["reports"][0]["findings"].values()) >= 1
