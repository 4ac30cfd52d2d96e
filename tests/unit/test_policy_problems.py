"""Inventories with mistakes: every problem at once, with file, key path, what is allowed and the nearest name."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.inventories import CALENDAR, ESTATE, LEGALSERVICE, MEDIATION, InventoryCopy
from yunwei import errors, policy
from yunwei.paths import content_root


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*above, key))


def replaced(value: Any, place: tuple[Any, ...], new: object) -> Any:
    if not place:
        return new
    value[place[0]] = replaced(value[place[0]], place[1:], new)
    return value


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path)


def test_ten_mistakes_are_reported_in_one_go(lab: InventoryCopy) -> None:
    lab.edit(ESTATE, "timezone: Asia/Shanghai", "timezone: Asia/Shangai")
    lab.edit(ESTATE, "backup_server: backup1", "backup_server: bakup1")
    lab.edit(ESTATE, "hosts: [scratch1]", "hosts: [db1]")
    lab.edit(MEDIATION, "engine: postgresql", "engine: postgres")
    lab.edit(MEDIATION, "host: db1\n", "host: bd1\n")
    lab.edit(MEDIATION, 'schedule: {every: day, at: "02:00"}', "schedule: {every: day, at: 12:00}")
    lab.edit(MEDIATION, "rto_seconds: 3600", "rto_seconds: 0")
    lab.edit(MEDIATION, "permission: {reference: LAB-CONSENT-2026-01, expires: 2027-12-31}", "permision: {}")
    lab.edit(MEDIATION, "file_set: app", "file_set: apps")
    lab.edit(LEGALSERVICE, 'contract: "2.3"', 'contract: "2.33"')
    lab.edit(LEGALSERVICE, "owner_role: legalservice-owner", "owner_role: Li Lei")
    found = {f"{problem.file}: {problem.path}": problem for problem in lab.problems()}
    hints = {where: problem.hint for where, problem in found.items()}
    assert hints == {
        "policy/estate.yml: timezone": "Did you mean 'Asia/Shanghai'?",
        "policy/estate.yml: sites.local.backup_server": "Did you mean 'backup1'?",
        "policy/estate.yml: drill.hosts[0]": None,
        "policy/systems/mediation.yml: databases[0].engine": "Did you mean 'postgresql'?",
        "policy/systems/mediation.yml: databases[0].host": "Did you mean 'db1'?",
        "policy/systems/mediation.yml: file_sets[0].schedule.at": "Write it in quotes.",
        "policy/systems/mediation.yml: targets.rto_seconds": None,
        "policy/systems/mediation.yml: retention[0].permision": "Did you mean 'permission'?",
        "policy/systems/mediation.yml: retention[0].permission": None,
        "policy/systems/mediation.yml: application.file_set": "Did you mean 'app'?",
        "policy/systems/legalservice.yml: contract": "Did you mean '2.3'?",
        "policy/systems/legalservice.yml: owner_role": None,
        "policy/contract.yml: sections[0]": None,
    }
    with pytest.raises(policy.PolicyError) as caught:
        lab.load()
    assert len(caught.value.problems) == len(found)
    assert isinstance(caught.value, errors.PolicyError)
    assert caught.value.exit_code == 2
    assert "policy/systems/mediation.yml: targets.rto_seconds: found 0; allowed: seconds, greater than 0." in str(
        caught.value
    )


MISTAKES = yaml.safe_load((Path(__file__).parents[1] / "fixtures" / "policy_mistakes.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: f"{case['path']} {case['found']}")
def test_one_mistake(lab: InventoryCopy, case: dict[str, str]) -> None:
    lab.edit(f"policy/{case['file']}.yml", case["old"], case["new"])
    problem = lab.only_problem()
    assert problem.path == case["path"]
    assert case["found"] in problem.found
    assert case["allowed"] in problem.allowed
    assert problem.hint == case.get("hint")
    assert problem.stops


def test_a_number_where_the_contracts_section_belongs(lab: InventoryCopy) -> None:
    lab.edit(MEDIATION, 'contract: "2.5"', "contract: 2.5")
    hints = [problem.hint for problem in lab.problems() if problem.path == "contract"]
    assert hints == ["Write it in quotes."]


def test_a_misspelt_key_and_what_it_leaves_missing_are_both_named(lab: InventoryCopy) -> None:
    lab.edit(MEDIATION, "probe: {url", "prob: {url")
    assert [(problem.path, problem.hint) for problem in lab.problems()] == [
        ("application.prob", "Did you mean 'probe'?"),
        ("application.probe", None),
    ]


def test_files_of_one_system_are_not_given_to_another(lab: InventoryCopy) -> None:
    lab.edit(LEGALSERVICE, "legacy1: application", "app1: application")
    lab.edit(LEGALSERVICE, "host: legacy1", "host: app1")
    for _ in range(2):
        lab.edit(LEGALSERVICE, "hosts: [legacy1]", "hosts: [app1]")
    lab.edit(LEGALSERVICE, "[/srv/portal]", "[/srv/mediation/files]")
    problem = lab.only_problem()
    assert (problem.file, problem.path) == (MEDIATION, "file_sets[0].paths")
    assert "legalservice.yml has too" in problem.found


def test_two_systems_with_one_id(lab: InventoryCopy) -> None:
    lab.edit(LEGALSERVICE, "id: legalservice", "id: mediation")
    found = {(problem.file, problem.path): problem.found for problem in lab.problems()}
    assert (LEGALSERVICE, "id") in found
    assert found[MEDIATION, "id"] == "'mediation', which policy/systems/legalservice.yml has too"


def test_a_copied_system_file_is_noticed(lab: InventoryCopy) -> None:
    lab.write("policy/systems/copy.yml", (lab.folder / MEDIATION).read_text(encoding="utf-8"))
    assert {problem.path for problem in lab.problems()} == {"id", "databases[0]", "file_sets[0].paths"}


@pytest.mark.parametrize("name", ["new.yaml", "new.json"])
def test_a_system_file_that_would_be_skipped(lab: InventoryCopy, name: str) -> None:
    lab.write(f"policy/systems/{name}", "{}")
    assert lab.only_problem().found == "a file that would be skipped"


class TestYaml:
    def test_malformed_yaml_is_placed_by_line_and_column(self, lab: InventoryCopy) -> None:
        lab.edit(MEDIATION, "owner_role: mediation-owner", "owner_role: [mediation-owner")
        problem = next(
            problem for problem in lab.problems() if problem.file == MEDIATION and "malformed" in problem.found
        )
        assert problem.path == "line 5, column 6"
        assert "expected" in problem.found

    def test_the_other_files_are_still_checked(self, lab: InventoryCopy) -> None:
        lab.edit(MEDIATION, "id: mediation", "id: [")
        lab.edit(LEGALSERVICE, "host: db1", "host: db9")
        assert (LEGALSERVICE, "databases[0].host") in {(problem.file, problem.path) for problem in lab.problems()}

    def test_a_key_that_stands_twice(self, lab: InventoryCopy) -> None:
        lab.edit(MEDIATION, "    port: 5432\n", "    port: 5432\n    port: 5433\n")
        problem = lab.only_problem()
        assert (problem.path, problem.found) == ("databases[0].port", "the key twice (lines 10 and 11)")

    def test_a_tab(self, lab: InventoryCopy) -> None:
        lab.write(ESTATE, "name: lab\n\ttimezone: UTC\n")
        assert any(problem.path.startswith("line 2, column") for problem in lab.problems())

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("", "nothing"),
            ("{}", "nothing"),
            ("- a\n", "a list"),
            ("text", "a str"),
            ("a: \x07", "malformed YAML"),
            ("a: &x [*x]\n", "an unknown key"),
            ("? [a]\n: b\n", "malformed YAML"),
            ("!!python/object:os.system {}\n", "malformed YAML"),
        ],
    )
    def test_nonsense(self, lab: InventoryCopy, text: str, found: str) -> None:
        lab.write(ESTATE, text)
        assert any(problem.file == ESTATE and found in problem.found for problem in lab.problems())

    def test_bytes_that_are_not_utf8(self, lab: InventoryCopy) -> None:
        (lab.folder / ESTATE).write_bytes("name: 密云".encode("gbk"))
        assert any(problem.file == ESTATE and "malformed" in problem.found for problem in lab.problems())

    def test_keys_that_yaml_reads_as_booleans_stay_words(self, lab: InventoryCopy) -> None:
        lab.edit(MEDIATION, '{every: day, at: "02:00"}', '{every: day, on: 1, at: "02:00"}')
        assert lab.only_problem().path == "file_sets[0].schedule.on"


class TestMissingFiles:
    def test_no_inventory(self, tmp_path: Path) -> None:
        (problem,) = policy.validate(tmp_path / "none")
        assert problem.found == "no such inventory"

    def test_an_empty_inventory(self, tmp_path: Path) -> None:
        found = {problem.file for problem in policy.validate(tmp_path)}
        assert found == {"hosts.yml", ESTATE, "policy/contract.yml", "policy/systems", "policy/calendar"}
        with pytest.raises(policy.PolicyError):
            policy.load(tmp_path)

    def test_without_the_contract_nothing_is_stopped_but_validate_says_so(self, lab: InventoryCopy) -> None:
        (lab.folder / "policy/contract.yml").unlink()
        problem = lab.only_problem()
        assert problem.file == "policy/contract.yml"
        assert not problem.stops
        assert lab.load().contract is None


class TestOwedBackups:
    def test_a_section_that_no_system_carries(self, lab: InventoryCopy) -> None:
        (lab.folder / LEGALSERVICE).unlink()
        assert "section 2.3 (Public legal service platform)" in lab.only_problem().found

    def test_a_kind_that_is_owed_and_absent(self, lab: InventoryCopy) -> None:
        text = (lab.folder / LEGALSERVICE).read_text(encoding="utf-8")
        start, end = text.index("file_sets:"), text.index("targets:")
        lab.write(LEGALSERVICE, text[:start] + "file_sets: []\n" + text[end:])
        problem = lab.only_problem()
        assert (problem.path, problem.found) == ("file_sets", "none")
        assert "section 2.3 owes backups of files" in problem.allowed

    def test_less_often_than_owed(self, lab: InventoryCopy) -> None:
        weekly = 'rpo_seconds: 604800\n    schedule: {every: week, day: sunday, at: "01:30"}'
        lab.edit(MEDIATION, 'schedule: {every: day, at: "01:30"}', weekly)
        problem = lab.only_problem()
        assert (problem.path, problem.found) == ("databases[0].schedule.every", "every week")
        assert "every day or more often: section 2.5" in problem.allowed

    def test_as_often_as_owed(self, lab: InventoryCopy) -> None:
        monthly = 'rpo_seconds: 2678400\n    schedule: {every: month, day: 1, at: "02:00"}'
        lab.edit(MEDIATION, 'schedule: {every: day, at: "02:00"}', monthly)
        assert lab.problems() == []

    def test_a_system_with_nothing_to_back_up(self, lab: InventoryCopy) -> None:
        lab.edit("policy/contract.yml", "name: {zh: 公共", "backups: []\n    name: {zh: 公共")
        text = (lab.folder / LEGALSERVICE).read_text(encoding="utf-8")
        start, end = text.index("databases:"), text.index("targets:")
        lab.write(LEGALSERVICE, text[:start] + text[end:])
        assert "neither databases nor file_sets" in [problem.found for problem in lab.problems()]


_FAST = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
TREES = {
    file: yaml.safe_load((content_root() / "inventories" / "lab" / file).read_text(encoding="utf-8"))
    for file in ("hosts.yml", ESTATE, "policy/contract.yml", MEDIATION, CALENDAR)
}


@pytest.mark.parametrize("nonsense", [None, [[7]]], ids=str)
@pytest.mark.parametrize("file", TREES)
def test_nonsense_anywhere_is_reported_and_never_a_crash(lab: InventoryCopy, file: str, nonsense: object) -> None:
    path = lab.folder / file
    for place in places(TREES[file]):
        path.write_text(yaml.dump(replaced(deepcopy(TREES[file]), place, nonsense), Dumper=_FAST), encoding="utf-8")
        problems = lab.problems()
        assert all(str(problem) for problem in problems)
        if not problems:
            lab.load()
