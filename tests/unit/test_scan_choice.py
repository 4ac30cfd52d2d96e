"""An edited scan plan is taken whole or refused whole; what policy or somebody leaves out stays out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import yaml

from tests.inventories import InventoryCopy
from tests.scan_reports import Importer, xccdf
from yunwei import gate, plans, policy, work
from yunwei.cli import main
from yunwei.errors import RefusedError, UsageError
from yunwei.paths import content_root
from yunwei.policy.catalogue import read_catalogue
from yunwei.policy.inventory import Host
from yunwei.scan import plan_document
from yunwei.scan.choice import left_out, read_choice, systems_of
from yunwei.scan.findings import findings_of
from yunwei.scan.plan import Planner
from yunwei.scan.waivers import waive
from yunwei.work.hardening import VISITED, visits

EXAMPLE = content_root() / "inventories" / "example"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
HOST, OTHER = "me-db1", "me-app1"
FAILED = {"sshd_disable_root_login": "fail", "SV-204584": "fail", "SV-204503": "fail"}
ROOT, MEMORY = "sshd-root-login", "kernel-memory"  # policy has the first, and does not have the second
Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory) -> Importer:
    return Importer(tmp_path_factory.mktemp("scans"))


@pytest.fixture(scope="module")
def made(importer: Importer) -> dict[str, Any]:
    """A plan as `yunwei scan plan` makes it, of a report on one host."""
    identity = importer.read(xccdf(FAILED, target="x", addresses=[]), host=HOST)["id"]
    document = importer.store.document(identity)
    planner = Planner(importer.policy, read_catalogue()[0], document["scanner"], {}, date(2026, 12, 1))
    return plan_document.make(document, planner, findings_of(importer.store, identity))


@pytest.fixture
def plan(made: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(made)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.yml"


@pytest.fixture
def state(importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that nothing has used yet; the policy, which takes longest, is loaded once."""
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(policy, "load", lambda _inventory: importer.policy)
    return tmp_path / "state"


def steps(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (host,) = plan["hosts"]
    return {step["rule"]: step for step in host["harden"]}


def test_a_plan_is_taken_as_it_was_made(importer, plan, path):
    path.write_text(plan_document.as_yaml(plan), encoding="utf-8")
    found = read_choice(path, importer.policy, importer.store)
    ids = {rule: [row["id"] for row in step["findings"]] for rule, step in steps(plan).items()}
    assert found["hosts"] == {HOST: ids}
    assert ids.keys() == {ROOT, MEMORY}
    assert (found["report"], found["report_sha256"]) == (plan["report"]["id"], plan["report"]["sha256"])
    assert systems_of(importer.policy, found["hosts"]) == ["mediation"]
    assert plans.is_scan_plan(path)


def _only_ids(plan: dict[str, Any]) -> None:
    plan["hosts"][0]["harden"] = [{"rule": ROOT, "findings": [{"id": steps(plan)[ROOT]["findings"][0]["id"]}]}]
    plan.update(report={name: plan["report"][name] for name in ("id", "sha256")}, policy=[], findings={})


def _by_a_persons_choice(plan: dict[str, Any]) -> None:
    (row,) = plan["hosts"][0].pop("person")[0]["findings"]
    plan["hosts"][0]["harden"] = [{"rule": "sshd-x11", "findings": [{**row, "note": "as we agreed"}]}]


@pytest.mark.parametrize(
    ("edit", "rules"),
    [
        (lambda plan: plan["hosts"][0]["harden"].remove(steps(plan)[MEMORY]), [ROOT]),
        (_only_ids, [ROOT]),
        (_by_a_persons_choice, ["sshd-x11"]),
        (lambda plan: plan.update(notes_without_finding=[{"id": "f-0123456789abcdef", "note": "x"}]), [MEMORY, ROOT]),
        (lambda plan: plan["hosts"].append({"host": OTHER, "systems": ["mediation"]}), [MEMORY, ROOT]),
    ],
    ids=["a step less", "only what counts", "another rule", "notes", "a host without steps"],
)
def test_what_people_may_edit_is_taken(importer, plan, path, edit: Edit, rules: list[str]):
    edit(plan)
    path.write_text(plan_document.as_yaml(plan), encoding="utf-8")
    hosts = read_choice(path, importer.policy, importer.store)["hosts"]
    assert {host: sorted(chosen) for host, chosen in hosts.items()} == {HOST: rules}


def _host(name: str) -> Edit:
    return lambda plan: plan["hosts"][0].update(host=name, systems=[])


def _step(**values: Any) -> Edit:
    return lambda plan: steps(plan)[ROOT].update(values)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_host("me-db"), "hosts[0].host: found 'me-db'; allowed: a host of the inventory. Did you mean 'me-db1'?"),
        (_host("fl-report1"), "'fl-report1', which harden-servers leaves out"),
        (_host("fi-db1"), "Give financedata a section `hardening`"),
        (_host(OTHER), f"harden[0].findings[0].id: found 'f-.*', which is one of {HOST}; allowed: a finding"),
        (lambda plan: plan["hosts"].append(copy.deepcopy(plan["hosts"][0])), "hosts[1].host: found 'me-db1' a sec"),
        (lambda plan: plan["hosts"][0].update(systems=["mediaton"]), "systems[0]: found 'mediaton'; allowed: med"),
        (lambda plan: plan["hosts"][0].update(harden=[]), "hosts: no host has a step below `harden`"),
        (lambda plan: plan["hosts"][0].pop("host"), "hosts[0].host: found nothing; allowed: a host of the inventory"),
        (lambda plan: plan.update(hosts=None), "hosts: found nothing; allowed: a list"),
        (lambda plan: plan.pop("hosts"), "hosts: found nothing"),
        (lambda plan: plan.pop("report"), "report: found nothing"),
        (lambda plan: plan.update(extra=1), "extra: found an unknown key"),
        (_step(rule="sshd-rot-login"), "harden[1].rule: found 'sshd-rot-login'; .* Did you mean 'sshd-root-login'?"),
        (_step(rule="tls-old"), "'tls-old', which sets nothing by itself"),
        (_step(rule=MEMORY), f"harden[1].rule: found '{MEMORY}' a second time"),
        (_step(rule=7), "harden[1].rule: found 7"),
        (_step(value="yes"), "harden[1].value: found an unknown key; allowed: rule, title"),
        (_step(find=1), "Did you mean 'findings'?"),
        (_step(findings=[]), "harden[1].findings: found a list of 0; allowed: a list of findings"),
        (_step(findings=[{"id": "f-1"}]), "harden[1].findings[0].id: found 'f-1'; allowed: a finding's id"),
        (_step(findings=[{"id": "f-0123456789abcdef"}]), "found 'f-0123456789abcdef'; allowed: a finding that the"),
        (_step(policy="hasit"), "harden[1].policy: found 'hasit'; allowed: has it, or add. Did you mean 'has it'?"),
        (lambda plan: plan["report"].update(sha256="0" * 64), "report.sha256: found '0000"),
        (lambda plan: plan["report"].update(id="s-000000000000"), "report.id: found 's-000000000000'; allowed: a rep"),
        (lambda plan: plan["report"].update(id="../x"), r"report.id: found '../x'; allowed: a report's id"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_its_place_and_the_next_step(importer, plan, path, edit: Edit, said: str):
    edit(plan)
    path.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_choice(path, importer.policy, importer.store)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert _matches(said, text), text
    assert "Correct the file, or make a new one with `yunwei scan plan ID -o FILE`. Nothing was changed." in text


def _matches(said: str, text: str) -> bool:
    """Tell whether the parts of `said`, between `.*`, come one after the other."""
    place = 0
    for part in said.split(".*"):
        place = text.find(part, place)
        if place < 0:
            return False
    return True


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"report: [\nhosts: x", "line 3, column 1: found malformed YAML"),
        (b"report: {}\nreport: {}\nhosts: []", "report: found the key twice (lines 1 and 2)"),
        (b"report: {}\nday: 2026-13-45\nhosts: []", "month must be in 1..12"),
        (b"report: &a {}\nhosts: [*a]", "line 2: found the alias *a; allowed: plain text"),
        (b"report: {}\nhosts: " + b"[" * 100_000, "more than 20 brackets in each other"),
        (b"hosts: \xff", "malformed YAML"),
        (b"- report", "found a list"),
        (b"", "found nothing"),
    ],
    ids=["open", "twice", "day", "alias", "deep", "bytes", "list", "empty"],
)
def test_a_file_that_is_no_yaml_of_a_plan_is_refused(importer, path, content: bytes, said: str):
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_choice(path, importer.policy, importer.store)
    assert said in str(caught.value)
    assert "Nothing was changed" in str(caught.value)


def test_every_fault_is_named_at_once_and_not_without_end(importer, plan, path):
    plan["hosts"] += [{"host": f"no-{number}"} for number in range(30)]
    path.write_text(yaml.safe_dump(plan), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_choice(path, importer.policy, importer.store)
    assert str(caught.value).count("a host of the inventory") == 20
    assert "and 10 more" in str(caught.value)


def test_the_hosts_that_are_visited_are_those_of_the_playbook(importer):
    plays = yaml.safe_load((content_root() / "playbooks/harden_servers.yml").read_text(encoding="utf-8"))
    visited = [jinja2.Template(play["hosts"]).render(groups=VISITED) for play in plays]
    assert {frozenset(hosts.split(":")) for hosts in visited} == {VISITED}
    assert visits(importer.policy.hosts[HOST])
    assert not visits(Host("elsewhere", ("all", "controllers"), {}))
    planner = Planner(importer.policy, read_catalogue()[0], "openscap", {}, date(2026, 12, 1))
    planner.hosts[HOST] = replace(planner.hosts[HOST], visited=False)
    identity = importer.read(xccdf(FAILED, target="x", addresses=[]), host=HOST)["id"]
    found = [planner.outcome(one) for one in findings_of(importer.store, identity)]
    assert {one.kind for one in found} == {"person"}
    assert "this host is not in group production, so harden-servers leaves it out" in {one.why for one in found}


def test_an_accepted_finding_leaves_its_rule_out_until_its_day(importer, plan):
    until = date.today() + timedelta(days=9)
    (finding,) = [row["id"] for row in steps(plan)[ROOT]["findings"]]
    hosts = {HOST: {ROOT: [finding], MEMORY: [finding, "f-0123456789abcdef"]}}
    assert left_out(hosts, importer.store, until) == {HOST: {ROOT: None, MEMORY: None}}
    waive(importer.store, finding, "isolated", "head", until)
    why = f"its findings were accepted: isolated (head, until {until})"
    assert left_out(hosts, importer.store, until) == {HOST: {ROOT: why, MEMORY: None}}, "one of two is not enough"
    assert left_out(hosts, importer.store, until + timedelta(days=1)) == {HOST: {ROOT: None, MEMORY: None}}


def test_the_work_is_just_what_was_chosen_less_what_policy_leaves_out(tmp_path):
    lab = InventoryCopy(tmp_path).load()
    chosen = {"db1": {"sshd-x11": None, "kernel-memory": None, "net-redirects": None, "password-age": "accepted"}}
    made = work.hardening_work(lab, "mediation", [], NOW, chosen)
    rules = {rule["id"]: rule["waived"] for rule in made["hosts"]["db1"]["rules"]}
    assert made["hosts"].keys() == {"db1"}
    assert rules == {
        "sshd-x11": None,
        "kernel-memory": None,  # not in policy's baseline
        "net-redirects": "a container may not write kernel settings (legalservice-owner, until 2028-12-31)",
        "password-age": "accepted",
    }
    assert made["hosts"]["db1"]["exempt_accounts"] == lab.estate.hardening.exempt_accounts
    with pytest.raises(UsageError, match="db1: the catalogue has no rule gone any more: make a new plan"):
        work.hardening_work(lab, "mediation", [], NOW, {"db1": {"gone": None}})


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (["run", "harden-servers"], "nothing: of a plan\n", "is neither a stored plan"),
        (["run", "harden-servers"], "{}", "is no plan of format 1"),
        (["run", "harden-servers", "--check"], "report: {}\nhosts: []", "report.id: found nothing"),
        (["plan", "harden-servers"], "report: {}\nhosts: []", "report.id: found nothing"),
        (["run", "clean-logs"], "report: {}\nhosts: []", "clean-logs does not go by one: harden-servers does"),
        (["run", "harden-servers", "--approval", "x"], "hosts: []", "--approval goes with --plan and a stored plan"),
        (["plan", "harden-servers", "-o", "x"], '{"format": 1}', "is kept already"),
    ],
)
def test_the_command_tells_plans_apart_by_content(state, capsys, words, text, said):
    (state.parent / "plan.any").write_text(text, encoding="utf-8")
    assert main([*words, "--plan", str(state.parent / "plan.any"), "-i", str(EXAMPLE)]) == 2
    assert said in capsys.readouterr().err
    assert not state.exists()


@pytest.fixture
def asked(importer, plan, path, monkeypatch) -> Callable[..., gate.Request]:
    """Return a function that asks the gate to narrow a request down to the plan."""
    monkeypatch.setenv("YUNWEI_STATE", str(importer.folder))
    path.write_text(plan_document.as_yaml(plan), encoding="utf-8")

    def narrow(permits: Sequence[Any] = (), named: str = str(path), **more: Any) -> gate.Request:
        session: Any = SimpleNamespace(policy=importer.policy, permits=permits)
        request = gate.Request("harden-servers", options={"scan_plan": named}, play=[OTHER, HOST], hosts=[HOST])
        return gate._narrowed(replace(request, **more), None, session)

    return narrow


def test_the_gate_goes_by_the_plan_s_systems_hosts_and_rules(asked, plan):
    made = asked()
    assert (list(made.systems), list(made.hosts)) == (["mediation"], [HOST])
    chosen = made.options["scan_plan"]
    assert (chosen["report"], chosen["hosts"].keys()) == (plan["report"]["id"], {HOST})
    elsewhere = asked(hosts=[OTHER])
    assert (list(elsewhere.hosts), elsewhere.options["scan_plan"]["hosts"]) == ([], {})
    assert asked(named="", systems=["legalservice"]).options == {}


@pytest.mark.parametrize("more", [{"systems": ["legalservice"]}, {"play": [OTHER]}])
def test_the_gate_refuses_what_the_plan_has_nothing_for(asked, more):
    with pytest.raises(UsageError, match=f"the scan plan is for {HOST}, and none was asked for"):
        asked(**more)


def test_a_plan_that_is_changed_while_its_run_goes_on_ends_the_run(asked, path):
    before = [{"options": asked().options}]
    assert asked(before).options == before[0]["options"]
    for text in (path.read_text(encoding="utf-8") + "# edited\n", "nonsense"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RefusedError, match="was changed while this run was going on"):
            asked(before)


def test_a_stored_plan_puts_the_parts_of_its_hosts_together():
    parts = [{}, {"app1": {"a": ["f-1"]}}, {"db1": {"b": ["f-2"]}}]
    permits = [
        {"systems": ["mediation"], "options": {"scan_plan": {"report": "s-1", "hosts": part}}, "time": ""}
        for part in parts
    ]
    record = {
        "id": "r-1", "job": "harden-servers", "who": "x", "permits": permits,
        "tasks": [{"host": "app1", "yunwei": {"system": "mediation", "plan": {"digest": "a" * 64}}}],
    }  # fmt: skip
    both = {"app1": {"a": ["f-1"]}, "db1": {"b": ["f-2"]}}
    assert plans.make_plan(record).options == {"scan_plan": {"report": "s-1", "hosts": both}}
    assert plans.chosen_hosts([{"options": {}}]) == {}


def test_who_approves_is_told_what_to_approve(tmp_path):
    (tmp_path / "plan.yml").write_text("report: {}\nhosts: []\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"keep a plan of it with yunwei plan harden-servers --plan .*plan\.yml -o FILE"
    ):
        plans.read_plan(tmp_path / "plan.yml")
