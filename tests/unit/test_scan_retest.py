"""A finding is fixed only where every setting of every rule that answers it is in force; silence judges nothing."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from yunwei_harden import hardening, kinds
from yunwei_harden import plan as host_plan

from tests.scan_reports import Importer, nessus, nessus_host, nessus_item, xccdf
from yunwei.cli import main
from yunwei.ledger.chain import Entry, Head, make_entry
from yunwei.paths import content_root
from yunwei.policy.catalogue import read_catalogue
from yunwei.scan import plan_document, retest
from yunwei.scan.changes import Change, changes
from yunwei.scan.choice import read_choice
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
        "fixed",
        "kernel-memory: every setting of it is in force; policy does not ask for it, so no later run keeps it so",
    )
    assert tested["audit-rules"] == ("could not judge", "no job sets this by itself")


def test_only_hosts_with_a_rule_of_settings_are_looked_at(outcomes, planner, importer):
    identity = importer.read(xccdf(REPORT, target="x", addresses=[]), host=HOST)["id"]
    wanted = retest.to_check(importer.store.document(identity), outcomes)
    path = importer.write(plan_document.as_yaml(wanted), "plan.yml")
    found = read_choice(path, importer.policy, importer.store)
    ids = {one.rules[0].id: [one.finding.id] for one in outcomes if one.kind == "harden"}
    assert found["hosts"] == {HOST: ids}
    assert ids.keys() == {RULE, "kernel-memory"}
    other = importer.store.document(importer.read(nessus(nessus_host([nessus_item(1)])))["id"])
    assert retest.to_check(other, list(planner.outcomes(findings_of(importer.store, other["id"])))) is None


def test_what_people_had_set_for_a_finding_without_a_rule_is_tested(outcomes, planner):
    (one,) = [one for one in outcomes if one.kind == "person"]
    change = Change(
        one.finding.id, HOST, "s-1", ["sshd-x11", "gone"], "r-1", "userpass:engineer", "2026-03-01T01:00:00Z"
    )
    changed = retest.by_change(one, change, planner)
    assert (changed.kind, [rule.id for rule in changed.rules]) == ("harden", ["sshd-x11"])
    for other in (
        None,
        replace(change, undone="r-2"),
        replace(change, rules=["gone"]),
        replace(change, rules=["tls-old"]),
    ):
        assert retest.by_change(one, other, planner) is one
    (tested,) = retest.judge([changed], planner, [row("as wanted", "sshd-x11")], {one.finding.id: change})
    assert (tested.verdict, tested.evidence) == ("fixed", "r-1")
    assert tested.change == "sshd-x11, gone set 2026-03-01 by userpass:engineer"


RUN = {
    "run_id": "r-1",
    "job": "harden-servers",
    "check": False,
    "who": "userpass:engineer",
    "finished": "2026-03-01T01:00:00Z",
}


def entry(kind: str = "run-end", **body: Any) -> Entry:
    return make_entry(Head(0, "0" * 64), "x", kind, "2026-03-01T01:00:00Z", {**RUN, **body}, signed=False)


def made(*statuses: str, kept: bool = True, **body: Any) -> Entry:
    """Return the end of a run that was for two findings, by one rule."""
    items = [{**row(status), "rule": RULE} for status in statuses]
    tasks = [{"host": HOST, "yunwei": {"system": "mediation", "items": items}}, {"host": HOST}]
    tasks += [{"host": HOST, "yunwei": {"system": "mediation", "kept": "after a new login"}}] if kept else []
    chosen = {"report": "s-1", "hosts": {HOST: {RULE: ["f-1", "f-2"], "sshd-x11": ["f-2"]}}}
    return entry(permits=[{"options": {"scan_plan": chosen}}], tasks=tasks, **body)


def undone(change: str = "r-1", host: str = HOST, status: str = "put back") -> Entry:
    task = {"host": host, "yunwei": {"system": "mediation", "items": [{"item": "/etc/x", "status": status}]}}
    return entry(
        job="undo", run_id="r-9", permits=[{"options": {"change": change}}], tasks=[task], finished="2026-03-02"
    )


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([made("as wanted", "changed")], {"f-1": "", "f-2": ""}),
        ([made("as wanted")], {}),
        ([made("changed", kept=False)], {}),
        ([made("would change", "changed", check=True)], {}),
        ([made("changed", kind="run-begin")], {}),
        ([entry(permits=[{"options": {}}], tasks=[])], {}),
        ([entry(status="refused", tasks=[])], {}),
        ([made("changed"), undone()], {"f-1": "r-9", "f-2": "r-9"}),
        ([made("changed"), undone("r-2")], {"f-1": "", "f-2": ""}),
        ([made("changed"), undone(host="me-app1")], {"f-1": "", "f-2": ""}),
        ([made("changed"), undone(status="nothing to undo")], {"f-1": "", "f-2": ""}),
        ([made("changed"), undone(), made("changed", run_id="r-3")], {"f-1": "", "f-2": ""}),
    ],
)
def test_the_ledger_tells_what_was_changed_for_a_finding(entries, found):
    known = changes(entries)
    assert {name: one.undone for name, one in known.items()} == found
    assert {(tuple(one.rules), one.report) for one in known.values()} <= {((RULE,), "s-1")}


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
