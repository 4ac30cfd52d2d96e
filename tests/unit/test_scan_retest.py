"""A finding is fixed only where every setting of every rule that answers it is in force; silence judges nothing."""

from __future__ import annotations

import json
import stat
from datetime import date
from pathlib import Path

import pytest
from yunwei_harden import hardening, kinds
from yunwei_harden import plan as host_plan

from tests.scan_reports import Importer, nessus, nessus_host, nessus_item, xccdf
from yunwei.cli import main
from yunwei.paths import content_root
from yunwei.policy.catalogue import read_catalogue
from yunwei.scan import retest
from yunwei.scan.findings import findings_of
from yunwei.scan.plan import Outcome, Planner

HOST, RULE = "me-db1", "sshd-logins"
REPORT = {"sshd_disable_rhosts": "fail", "SV-204584": "fail", "SV-204503": "fail"}


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory) -> Importer:
    return Importer(tmp_path_factory.mktemp("scans"))


@pytest.fixture(scope="module")
def planner(importer: Importer) -> Planner:
    return Planner(importer.policy, read_catalogue()[0], "openscap", {}, date(2026, 12, 1))


@pytest.fixture(scope="module")
def outcomes(importer: Importer, planner: Planner) -> list[Outcome]:
    identity = importer.read(xccdf(REPORT, target="x", addresses=[]), host=HOST)["id"]
    return list(planner.outcomes(findings_of(importer.store, identity)))


def row(status: str, rule: str = RULE, host: str = HOST) -> dict[str, str]:
    return {"host": host, "system": "mediation", "item": f"{rule}: x", "rule": rule, "status": status, "reason": "r"}


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (["as wanted"], "fixed"),
        (["as wanted", "not on this host"], "fixed"),
        (["as wanted", "would change"], "open"),
        (["could not judge", "would change"], "open"),
        (["as wanted", "could not judge"], "could not judge"),
        (["not on this host"], "could not judge"),
        (["for another release"], "could not judge"),
        (["waived"], "could not judge"),
        (["as wanted", "anything else"], "could not judge"),
        ([], "could not judge"),
    ],
)
def test_what_the_host_says_of_a_rule_judges_its_finding(outcomes, planner, said, verdict):
    tested = retest.judge(outcomes, planner, [row(status) for status in said])
    (one,) = [one for one in tested if one.rules == [RULE]]
    assert one.verdict == verdict
    assert one.why


def test_the_words_are_those_that_hosts_say():
    assert {retest._DIFFERS, *retest._GOOD} == {hardening.WOULD, kinds.AS_WANTED, kinds.NOT_HERE}
    others = {kinds.NOT_JUDGED, host_plan.WAIVED, host_plan.ANOTHER_RELEASE}
    assert others.isdisjoint({retest._DIFFERS, *retest._GOOD})


@pytest.mark.parametrize(("rule", "host"), [("sshd-x11", HOST), (RULE, "me-app1")])
def test_another_rule_and_another_host_say_nothing_of_it(outcomes, planner, rule, host):
    tested = retest.judge(outcomes, planner, [row("as wanted", rule, host)])
    assert {one.verdict for one in tested} == {"could not judge"}


def test_what_the_check_does_not_look_at_is_never_judged(outcomes, planner):
    rows = [row("as wanted", rule) for rule in (RULE, "kernel-memory", "audit-rules")]
    tested = {one.rules[0]: (one.verdict, one.why) for one in retest.judge(outcomes, planner, rows)}
    assert tested[RULE][0] == "fixed"
    assert tested["kernel-memory"] == (
        "could not judge", "policy does not ask for kernel-memory on this host, so its check leaves it out",
    )  # fmt: skip
    assert tested["audit-rules"] == ("could not judge", "no job sets this by itself")


def test_only_hosts_with_a_rule_of_settings_are_looked_at(outcomes, planner, importer):
    assert retest.testable(outcomes, planner) == {HOST: ["mediation"]}
    identity = importer.read(nessus(nessus_host([nessus_item(1)])))["id"]
    assert retest.testable(list(planner.outcomes(findings_of(importer.store, identity))), planner) == {}


def test_each_run_is_kept_for_its_owner_beside_the_report(outcomes, planner, importer):
    tested = retest.judge(outcomes, planner, [row("as wanted")])
    retest.keep(importer.store, "s-000000000000", {"run_id": "r-1", "evidence_id": "e-1"}, tested)
    path = importer.store.folder / "s-000000000000.r-1.retest.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_text(encoding="utf-8"))
    assert (document["run_id"], document["evidence_id"], len(document["findings"])) == ("r-1", "e-1", 3)
    assert len(importer.store.documents()) >= 1  # the store of reports is as readable as before
    assert not list(Path(importer.store.folder).glob("*.new"))


def test_without_anything_to_look_at_nothing_is_run_and_nothing_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    example = str(content_root() / "inventories" / "example")
    assert main(["scan", "import", str(Importer(tmp_path).write(nessus())), "-i", example]) == 0
    identity = next((tmp_path / "state" / "scans").glob("s-*.sqlite")).stem
    capsys.readouterr()
    assert main(["scan", "retest", identity, "-i", example]) == 4
    assert "open 0, could not judge 1, fixed 0" in capsys.readouterr().out
    assert not list((tmp_path / "state").rglob("*.retest.json"))
    assert main(["scan", "retest", "s-nothing", "-i", example]) == 2
