"""From a scanner's report over an edited plan to the change, its self-test and the feedback, by the real playbook."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.approving import OFFICER, add_approvers
from tests.estates import BIN, Estate
from tests.harden_world import COMMON_AUTH, LOGIN_DEFS, World
from tests.inventories import CALENDAR
from tests.scan_reports import xccdf
from yunwei.paths import content_root

FIXTURES = content_root() / "tests/fixtures"
STAND_INS = FIXTURES / "hardening"
PLAYBOOK = content_root() / "playbooks/harden_servers.yml"
AGE, EMPTY, UMASK = "password-age", "password-empty", "site-umask"
FAILED = ("accounts_maximum_age_login_defs", "no_empty_passwords", "site_umask", "SV-204503")
SITE_RULE = """rules:
  - id: site-umask
    title: {zh: 测试, en: test}
    match: {scap: [site_umask]}
    risk: low
    settings: [{kind: login_defs, name: UMASK, value: "027"}]
"""


@dataclass
class Ground:
    """Two hosts, folders both; a report on app1 alone, and its plan without the step for empty passwords."""

    estate: Estate
    worlds: dict[str, World]
    plan: Path
    report: str = ""

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = self.estate.environment(
            ANSIBLE_LIBRARY=f"{STAND_INS / 'library'}:{content_root() / 'library'}",
            ANSIBLE_ACTION_PLUGINS=f"{STAND_INS / 'action'}:{content_root() / 'plugins/action'}",
            TEST_ROOTS=str(self.worlds["app1"].root.parent),
            TEST_RULES_OF_WORK="1",
        )
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def yunwei(self, *words: str, expect: int = 0) -> Any:
        """Run a command and return the JSON document that it prints."""
        done = self.run([str(BIN / "yunwei"), *words, "-i", str(self.estate.inventory.folder), "--json"])
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def play(self, **variables: Any) -> tuple[str, int]:
        """Run the playbook; return how its record says that it ended."""
        words = ["-i", str(self.estate.inventory.folder / "hosts.yml"), "-e", json.dumps(variables)]
        done = self.run([str(BIN / "ansible-playbook"), *words, str(PLAYBOOK)])
        run = self.estate.last_run()
        self.said = done.stdout + done.stderr + str(run["reason"])
        return run["status"], run["exit_code"]

    def by_the_plan(self) -> tuple[str, int]:
        return self.play(yunwei_scan_plan=str(self.plan))

    def edit(self, change: Callable[[Any], Any]) -> None:
        content = yaml.safe_load(self.plan.read_text(encoding="utf-8"))
        change(content)
        self.plan.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def files(self) -> dict[str, list[str]]:
        """Return the files that rules of this test may change."""
        return {
            name: [one.read("etc/login.defs"), one.read("etc/pam.d/common-auth")] for name, one in self.worlds.items()
        }


UNTOUCHED = [LOGIN_DEFS, COMMON_AUTH]


def without(rule: str) -> Callable[[Any], None]:
    def change(plan: Any) -> None:
        steps = plan["hosts"][0]["harden"]
        steps.remove(next(step for step in steps if step["rule"] == rule))

    return change


@pytest.fixture
def ground(estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setenv("YUNWEI_STATE", str(estate.state))
    estate.inventory.edit("hosts.yml", "/usr/bin/python2.7", sys.executable)
    estate.inventory.edit(
        "hosts.yml", "ansible_connection: local", "ansible_connection: local\n    ansible_become: false"
    )
    estate.inventory.write(CALENDAR, (FIXTURES / "always_open.yml").read_text(encoding="utf-8"))
    estate.inventory.write("policy/hardening/site.yml", SITE_RULE)
    worlds = {name: World(tmp_path / "roots" / name) for name in ("app1", "db1")}
    made = Ground(estate, worlds, tmp_path / "plan.yml")
    report = tmp_path / "report.xml"
    report.write_text(xccdf(dict.fromkeys(FAILED, "fail"), target="x", addresses=[]), encoding="utf-8")
    made.yunwei("scan", "import", str(report), "--host", "app1")
    made.report = next((estate.state / "scans").glob("s-*.sqlite")).stem
    made.yunwei("scan", "plan", made.report, "-o", str(made.plan))
    made.edit(without(EMPTY))
    return made


def test_a_finding_leads_over_the_edited_plan_to_its_change_its_test_and_the_feedback(ground: Ground):
    planned = ground.yunwei("plan", "harden-servers", "--plan", str(ground.plan))
    wanted = {(item["host"], item["rule"]) for item in planned["items"] if item["status"] == "would change"}
    assert wanted == {("app1", AGE), ("app1", UMASK)}
    assert ground.files() == {"app1": UNTOUCHED, "db1": UNTOUCHED}
    assert ground.yunwei("run", "harden-servers", "--check", "--plan", str(ground.plan))["items"] == planned["items"]

    assert ground.by_the_plan() == ("done", 0), ground.said
    files = ground.files()
    assert "PASS_MAX_DAYS 90" in files["app1"][0]
    assert "UMASK 027" in files["app1"][0]
    assert (files["app1"][1], files["db1"]) == (COMMON_AUTH, UNTOUCHED)
    run = ground.estate.last_run()
    options = next(one["options"]["scan_plan"] for one in run["permits"] if one["hosts"] == ["app1"])
    assert (options["report"], list(options["hosts"])) == (ground.report, ["app1"])
    findings = {rule: ids[0] for rule, ids in options["hosts"]["app1"].items()}
    assert findings.keys() == {AGE, UMASK}

    tested = {one["finding"]: one for one in ground.yunwei("scan", "retest", ground.report, expect=1)["findings"]}
    for rule, finding in findings.items():
        assert (tested[finding]["verdict"], tested[finding]["evidence"]) == ("fixed", run["run_id"]), rule
        assert tested[finding]["change"].startswith(f"{rule} set ")
    (left,) = [one for one in tested.values() if one["rules"] == [EMPTY]]
    assert (left["disposition"], left["verdict"], left["change"]) == ("harden", "open", "")

    output = ground.plan.with_name("feedback.csv")
    command = [str(BIN / "yunwei"), "scan", "feedback", ground.report, "--lang", "en", "-o", str(output)]
    assert ground.run(command).returncode == 0
    rows = {
        row[-1]: row
        for row in csv.reader(io.StringIO(output.read_bytes().decode("utf-8-sig"), newline=""))
        if len(row) > 10
    }
    retest = ground.estate.last_run()["run_id"]
    for finding in findings.values():
        assert "Set right, self-test passed" in rows[finding]
        assert f"{run['run_id']}\n{retest}" in rows[finding]
    assert "Self-test: still open" in rows[left["finding"]]


def test_what_the_plan_may_not_do_is_refused_and_nothing_is_changed(ground: Ground):
    whole = ground.plan.read_text(encoding="utf-8")
    assert ground.play(yunwei_scan_plan=str(ground.plan), yunwei_systems=["legalservice"]) == ("refused", 2)
    assert "the scan plan is for app1, and none was asked for" in ground.said
    ground.edit(lambda plan: plan["hosts"][0]["harden"][0].update(rule="password-aeg"))
    assert ground.by_the_plan() == ("refused", 2)
    assert "hosts[0].harden[0].rule: found 'password-aeg'" in ground.said
    ground.plan.write_text(whole.replace(ground.report, "s-000000000000"), encoding="utf-8")
    assert ground.by_the_plan() == ("refused", 2)
    assert "report.id: found 's-000000000000'" in ground.said
    ground.plan.write_text(whole, encoding="utf-8")
    waiver = f"    - {{rule: {AGE}, reason: agreed, approver: mediation-owner, until: 2028-12-31}}\n"
    ground.estate.inventory.edit("policy/systems/mediation.yml", "  waive:\n", f"  waive:\n{waiver}")
    ground.edit(without(UMASK))
    assert ground.by_the_plan() == ("done", 0), ground.said
    assert ground.files() == {"app1": UNTOUCHED, "db1": UNTOUCHED}


def test_a_stored_plan_of_it_is_approved_and_carried_out_and_its_record_names_the_findings(
    ground: Ground, tmp_path: Path
):
    keys = add_approvers(ground.estate.inventory, tmp_path, "[disruptive]")
    assert ground.by_the_plan() == ("refused", 3)
    assert "needs a plan that a second person has approved" in ground.said
    stored = tmp_path / "plan.json"
    ground.yunwei("plan", "harden-servers", "--plan", str(ground.plan), "-o", str(stored))
    words = ["approve", str(stored), "--as", OFFICER, "--key", str(keys[OFFICER])]
    approved = ground.run([str(BIN / "yunwei"), *words, "-i", str(ground.estate.inventory.folder)])
    assert f"by a scan plan of report {ground.report}" in approved.stdout, approved.stderr
    assert f"  app1: {UMASK} for f-" in approved.stdout
    assert ground.play(yunwei_plan=str(stored), yunwei_scan_plan=str(ground.plan)) == ("refused", 2)
    assert "leave the scan plan, yunwei_scan_plan, out" in ground.said
    ground.plan.unlink()
    assert ground.play(yunwei_plan=str(stored)) == ("done", 0), ground.said
    assert "UMASK 027" in ground.worlds["app1"].read("etc/login.defs")
    assert ground.files()["db1"] == UNTOUCHED
    permits = ground.estate.last_run()["permits"]
    assert {permit["options"]["scan_plan"]["report"] for permit in permits} == {ground.report}
    assert {rule for permit in permits for rule in permit["options"]["scan_plan"]["hosts"].get("app1", [])} == {
        AGE,
        UMASK,
    }
