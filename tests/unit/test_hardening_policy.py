"""The catalogue, what policy makes of it for each host, and what is wrong with either."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args

import pytest
from yunwei_harden import compare, kinds, release

from tests.inventories import ESTATE, LEGALSERVICE, MEDIATION, InventoryCopy
from yunwei import policy, work
from yunwei.cli import main
from yunwei.errors import UsageError
from yunwei.paths import content_root
from yunwei.policy import catalogue

NOW = datetime(2026, 12, 1, tzinfo=UTC)
PORT = 'name: Port, value: "2222"'
OWN_RULE = f"""rules:
  - id: site-port
    title: {{zh: 端口, en: Port}}
    risk: high
    undo: none
    settings: [{{kind: sshd, {PORT}}}]
"""


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path)


def of_host(lab: InventoryCopy, host: str, system: str = "mediation", now: datetime = NOW) -> dict[str, str | None]:
    hosts = work.hardening_work(lab.load(), system, [], now)["hosts"]
    return {rule["id"]: rule["waived"] for rule in hosts[host]["rules"]}


def test_the_projects_catalogue_is_valid_and_whole():
    found, problems = catalogue.read_catalogue()
    assert [str(problem) for problem in problems] == []
    assert len(found.rules) >= 65
    assert {rule.id for rule in found.baseline(2)} < {rule.id for rule in found.baseline(3)}
    assert [rule.id for rule in found.baseline(3) if rule.remedy != "settings" or rule.clause is None] == []
    unmatched = [rule.id for rule in found.rules.values() if not any(rule.match.model_dump().values())]
    assert unmatched == []


def test_the_words_of_the_catalogue_are_those_that_the_hosts_know():
    assert set(get_args(catalogue.Kind)) == set(kinds._KINDS)
    assert set(get_args(catalogue.Compare)) == set(compare.WORDS)
    assert set(get_args(catalogue.Release)) == set(release.KNOWN)


def test_a_rule_is_answered_once_on_each_release():
    for rule in catalogue.read_catalogue()[0].rules.values():
        for name in get_args(catalogue.Release):
            here = [(one.kind, one.name) for one in rule.settings if not one.releases or name in one.releases]
            assert len(here) == len(set(here)), (rule.id, name)


def test_hosts_get_the_baseline_of_their_system_and_waivers_are_named(lab: InventoryCopy):
    rules = of_host(lab, "app1")
    assert {"sshd-root-login", "password-age", "session-timeout"} <= set(rules)
    assert "kernel-memory" not in rules
    assert rules["sshd-ciphers"] is None
    assert rules["net-redirects"] == "a container may not write kernel settings (mediation-owner, until 2028-12-31)"


def test_a_host_of_two_systems_gets_the_rules_of_both_less_what_either_waived(lab: InventoryCopy):
    lab.edit(LEGALSERVICE, "level: 2", "level: 3")
    assert "kernel-memory" in of_host(lab, "db1", "mediation")
    assert "kernel-memory" not in of_host(lab, "app1")
    lab.edit(LEGALSERVICE, "waive:", "add: [net-forwarding]\n  waive:")
    lab.edit(
        MEDIATION,
        "waive:",
        "waive:\n    - {rule: net-forwarding, hosts: [db1], reason: routes, approver: m-owner, until: 2027-01-31}",
    )
    assert of_host(lab, "db1", "legalservice")["net-forwarding"] == "routes (m-owner, until 2027-01-31)"
    assert of_host(lab, "legacy1", "legalservice")["net-forwarding"] is None


def test_each_host_comes_with_every_system_that_it_serves(lab: InventoryCopy):
    served = {"app1": ["mediation"], "db1": ["legalservice", "mediation"]}
    hardened = work.hardening_work(lab.load(), "mediation", [], NOW)["hosts"]
    assert {host: part["systems"] for host, part in hardened.items()} == served
    undone = work.undo_work(lab.load(), "mediation", "r-20260301T013000-a1b2c3")["hosts"]
    assert {host: part["systems"] for host, part in undone.items()} == served


def test_a_waiver_ends_with_its_last_day(lab: InventoryCopy):
    late = date(2029, 1, 1)
    assert of_host(lab, "app1", now=datetime(2029, 1, 1, 0, 0, tzinfo=UTC))["net-redirects"] is None
    expired = [problem for problem in lab.problems(late) if "waive" in problem.path]
    assert {problem.stops for problem in expired} == {False}
    assert "Rule password-complexity holds again" in str(expired[0])


def test_a_system_without_hardening_is_left_alone(lab: InventoryCopy):
    path = lab.folder / MEDIATION
    text = path.read_text(encoding="utf-8")
    begin, end = text.index("hardening:"), text.index("services:")
    path.write_text(text[:begin] + text[end:], encoding="utf-8")
    assert work.hardening_work(lab.load(), "mediation", [], NOW)["hosts"] == {}


def test_windows_hosts_are_not_reached_by_ssh():
    example = policy.load(content_root() / "inventories" / "example", date(2026, 12, 1))
    hosts = work.hardening_work(example, "legalservice", [], NOW)["hosts"]
    assert {"fl-app1", "fl-portal1"} <= set(hosts)
    assert not {"fl-report1", "fl-cms1"} & set(hosts)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rule: net-redirects", "rule: net-redirect", "Did you mean 'net-redirects'?"),
        ("waive:", "add: [tls-old]\n  waive:", "'tls-old', which sets nothing by itself"),
        ("level: 2", "level: 4", "2 or 3"),
        ("{rule: net-redirects,", "{rule: net-redirects, hosts: [legacy1],", "db1, app1"),
    ],
)
def test_what_is_wrong_in_policy_is_named_with_its_place(lab: InventoryCopy, old: str, new: str, said: str):
    lab.edit(MEDIATION, old, new)
    problem = lab.only_problem()
    assert problem.file == MEDIATION
    assert problem.path.startswith("hardening.")
    assert said in str(problem)


def test_an_inventory_adds_rules_of_its_own(lab: InventoryCopy):
    lab.write("policy/hardening/site.yml", OWN_RULE)
    lab.edit(MEDIATION, "level: 2", "level: 2\n  add: [site-port]")
    made = work.hardening_work(lab.load(), "mediation", ["site-port"], NOW)["hosts"]["app1"]
    assert made["accept_irreversible"] == ["site-port"]
    (rule,) = [rule for rule in made["rules"] if rule["id"] == "site-port"]
    assert (rule["undo"], rule["settings"][0]["name"]) == ("none", "Port")


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("id: site-port", "id: sshd-x11", "rules[0].id", "a second time"),
        (PORT, 'name: Port, value: "22\\nMatch"', "rules[0].settings[0]", "one line without"),
        ("kind: sshd, name: Port", "kind: sshd, name: Port x", "rules[0].settings[0]", "a name of kind sshd"),
        (PORT, "name: Port", "rules[0].settings[0]", "no value"),
        ("undo: none", "undo: maybe", "rules[0].undo", "restore, or none"),
        ("risk: high", "risk: high\n    remedy: manual", "rules[0]", "settings with remedy `settings`"),
        (PORT, "name: Port, value: x, compare: at_most", "rules[0].settings[0]", "a whole number"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_place(lab: InventoryCopy, old: str, new: str, place: str, said: str):
    lab.write("policy/hardening/site.yml", OWN_RULE.replace(old, new))
    problem = lab.only_problem()
    assert (problem.file, problem.path) == ("policy/hardening/site.yml", place)
    assert said in str(problem)


def test_each_host_is_probed_under_its_own_key(lab: InventoryCopy):
    lab.pin_everything()
    assert work.hardening_work(lab.load(), "mediation", [], NOW)["known_hosts"] == {}
    lab.edit(ESTATE, "timezone:", "hardening: {probe_account: yunwei-probe}\ntimezone:")
    made = work.hardening_work(lab.load(), "mediation", [], NOW)
    assert made["probe_account"] == "yunwei-probe"
    assert made["known_hosts"] == {
        "app1": ["198.51.100.75 ssh-ed25519 PIN-198.51.100.75"],
        "db1": ["198.51.100.76 ssh-ed25519 PIN-198.51.100.76"],
    }


def test_the_rules_are_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["list", "rules", "-i", str(content_root() / "inventories" / "lab"), "--json"]) == 0
    rows = {row["rule"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["sshd-x11"]["levels"], rows["sshd-x11"]["remedy"]) == ("2, 3", "settings")
    assert rows["tls-old"]["remedy"] == "manual"


def test_names_that_do_not_exist_are_refused_before_anything_starts(lab: InventoryCopy):
    with pytest.raises(UsageError, match=r"--accept-irreversible sshd-x1: .* Did you mean 'sshd-x11'"):
        work.hardening_work(lab.load(), "mediation", ["sshd-x1"], NOW)
    with pytest.raises(UsageError, match=r"--change: found nothing; give the run"):
        work.undo_work(lab.load(), "mediation", "")
    with pytest.raises(UsageError, match=r"--change: found '\.\./etc'"):
        work.undo_work(lab.load(), "mediation", "../etc")
