"""A valid inventory: what is loaded, how fast, and when a rule that removes is refused."""

import datetime
from pathlib import Path

import pytest

from tests.inventories import ESTATE, MEDIATION, TODAY, InventoryCopy
from yunwei import errors, policy


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path)


def test_a_valid_inventory_has_no_problem(lab: InventoryCopy) -> None:
    assert lab.problems() == []


def test_the_hosts_file_itself_may_be_named(lab: InventoryCopy) -> None:
    assert policy.load(lab.folder / "hosts.yml", TODAY).estate.name == "lab"


class TestPermission:
    def test_an_expired_permission_is_reported_and_stops_its_rule_alone(self, lab: InventoryCopy) -> None:
        later = datetime.date(2028, 1, 1)
        problems = lab.problems(later)
        rules = [f"{kind}[{index}]" for kind in ("retention", "logs") for index in (0, 1)]
        assert {problem.path for problem in problems} == {f"{rule}.permission.expires" for rule in rules}
        assert not any(problem.stops for problem in problems)
        system = lab.load(later).systems["mediation"]
        with pytest.raises(
            errors.RefusedError, match="LAB-CONSENT-2026-01 for removals at site 'local' expired on 2027-12-31"
        ):
            system.retention_rule("local", later)

    def test_the_last_day_still_counts(self, lab: InventoryCopy) -> None:
        last = datetime.date(2027, 12, 31)
        assert lab.problems(last) == []
        assert lab.load(last).systems["mediation"].retention_rule("local", last).max_removals == 20

    def test_no_rule_no_removal(self, lab: InventoryCopy) -> None:
        text = (lab.folder / MEDIATION).read_text(encoding="utf-8")
        lab.write(MEDIATION, text[: text.index("  - site: miyun")] + text[text.index("legal_holds:") :])
        with pytest.raises(errors.RefusedError, match="no retention rule for site 'miyun'"):
            lab.load().systems["mediation"].retention_rule("miyun", TODAY)


class TestNames:
    def test_unknown_system_and_host(self, lab: InventoryCopy) -> None:
        loaded = lab.load()
        with pytest.raises(
            errors.UsageError,
            match=r"no system 'mediaton'; systems: legalservice, mediation\. Did you mean 'mediation'",
        ):
            loaded.system("mediaton")
        with pytest.raises(errors.UsageError, match="Did you mean 'scratch1'"):
            loaded.host("scrach1")

    def test_choosing_systems(self, lab: InventoryCopy) -> None:
        loaded = lab.load()
        assert [system.id for system in loaded.choose_systems([])] == ["legalservice", "mediation"]
        assert [system.id for system in loaded.choose_systems(["mediation", "mediation"])] == ["mediation"]

    def test_items(self, lab: InventoryCopy) -> None:
        items = lab.load().systems["mediation"].items()
        assert [(item.id, item.slug, item.kind, item.host, item.engine, item.port) for item in items] == [
            ("database:mediation", "database-mediation", "database", "db1", "postgresql", 5432),
            ("files:app", "files-app", "files", "app1", None, None),
        ]

    def test_services_in_start_order(self, lab: InventoryCopy) -> None:
        line = "  - {host: app1, unit: mediation-app.service, order: 20}\n"
        lab.edit(MEDIATION, line, line + "  - {host: db1, unit: postgresql.service, order: 10}\n")
        services = lab.load().systems["mediation"].services_in_start_order()
        assert [service.host for service in services] == ["db1", "app1"]


def test_rows_for_the_lists(lab: InventoryCopy) -> None:
    loaded = lab.load()
    systems = policy.describe_systems(loaded)
    assert [row["system"] for row in systems] == ["legalservice", "mediation"]
    assert systems[1]["items"] == "database:mediation, files:app"
    hosts = {row["host"]: row for row in policy.describe_hosts(loaded)}
    assert hosts["db1"]["systems"] == "legalservice (database), mediation (database)"
    assert hosts["scratch1"]["systems"] == ""
    assert hosts["scratch1"]["groups"] == "drill_hosts"


def test_engines_without_a_driver_are_named() -> None:
    assert policy.supported_engines() == ["postgresql"]
    assert policy.no_driver("dameng") == "could not judge: no driver for dameng"
    assert policy.no_driver("postgresql") is None
    assert policy.no_driver(None) is None


def test_an_inspection_s_limits_have_defaults_and_an_unknown_job_among_them_is_named(lab: InventoryCopy) -> None:
    assert lab.load().estate.inspection.job_days == {"back-up": 2, "sync-to-miyun": 2}
    with (lab.folder / ESTATE).open("a", encoding="utf-8") as stream:
        stream.write("inspection: {job_days: {bakc-up: 2}}\n")
    problem = lab.only_problem()
    assert (problem.file, problem.path) == (ESTATE, "inspection.job_days")
    assert "Did you mean 'back-up'?" in str(problem)
