"""Policy and options turned into the work of a drill and of a recovery."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.inventories import ESTATE, MEDIATION, InventoryCopy
from yunwei import work
from yunwei.errors import RefusedError, UsageError
from yunwei.policy import Policy
from yunwei.work import RestoreOptions

NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return InventoryCopy(tmp_path_factory.mktemp("lab")).pin_everything().load()


def options(**chosen: Any) -> RestoreOptions:
    return RestoreOptions(restore_id="d-20261201", **chosen)


class TestDrill:
    def test_a_drill_reads_from_the_second_site_and_needs_nothing_local(self, policy: Policy) -> None:
        found = work.drill_work(policy, "mediation", options(), NOW)
        assert (found["mode"], found["site"], found["backup_server"], found["repository"]) == (
            "drill",
            "miyun",
            None,
            None,
        )
        assert found["remote"] is not None
        assert (found["remote"]["user"], found["remote"]["secret"]) == ("miyun-read", "miyun-read")
        assert found["target_hosts"] == ["scratch1"]
        assert {item["target_host"] for item in found["items"]} == {"scratch1"}
        assert found["work_dir"] == "/srv/restore/d-20261201"
        assert found["targets"]["rto_seconds"] == 3600
        assert found["application"] is not None
        assert found["application"]["probe"]["expect"] == "ok"

    def test_a_drill_stops_no_service_and_overwrites_nothing(self, policy: Policy) -> None:
        found = work.drill_work(policy, "mediation", options(), NOW)
        assert (found["services"], found["replace"]) == ([], [])

    def test_no_source_may_be_within_reach(self, policy: Policy) -> None:
        endpoints = work.drill_work(policy, "mediation", options(), NOW)["source_endpoints"]
        assert [(one["host"], one["port"]) for one in endpoints] == [("app1", 22), ("db1", 22), ("db1", 5432)]
        assert {one["address"] for one in endpoints} == {policy.hosts[host].address for host in ("app1", "db1")}

    def test_the_local_site_without_a_read_account(self, tmp_path: Path) -> None:
        lab = InventoryCopy(tmp_path).pin_everything()
        lab.edit(ESTATE, "    read_user: yunwei-read\n", "")
        found = work.drill_work(lab.load(), "mediation", options(site="local"), NOW)
        assert (found["remote"], found["backup_server"]) == (None, "backup1")
        assert found["repository"] == "/srv/backup/mediation/repo"

    def test_the_local_site_with_a_read_account(self, policy: Policy) -> None:
        remote = work.drill_work(policy, "mediation", options(site="local"), NOW)["remote"]
        assert remote is not None
        assert (remote["user"], remote["secret"], remote["repository_secret"]) == (
            "yunwei-read",
            "local-read",
            "repository-local",
        )

    def test_what_the_ledger_knows_and_what_was_chosen(self, policy: Policy) -> None:
        chosen = options(records={"database:mediation": "0123abcd"}, accepted=["f" * 64], keep_on_failure=True)
        found = work.drill_work(policy, "mediation", chosen, NOW)
        assert [item["record"] for item in found["items"]] == ["0123abcd", None]
        assert (found["accepted"], found["keep_on_failure"]) == (["f" * 64], True)

    @pytest.mark.parametrize(
        ("host", "message"),
        [("db1", "in group production"), ("backup1", "is no drill host"), ("scrach1", "Did you mean 'scratch1'")],
    )
    def test_only_drill_hosts(self, policy: Policy, host: str, message: str) -> None:
        with pytest.raises((RefusedError, UsageError), match=message):
            work.drill_work(policy, "mediation", options(hosts=[host]), NOW)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"database": "mediation"},
            {"files": "*", "into_dir": "/tmp"},
            {"replace": ["files:app"]},
            {"hosts": ["scratch1", "db1"]},
            {"records": {"files:apps": "0123abcd"}},
            {"records": {"files:app": "../0123"}},
            {"records": {"files:app": "0123abcd\n"}},
        ],
        ids=str,
    )
    def test_options_that_a_drill_refuses(self, policy: Policy, wrong: dict[str, Any]) -> None:
        with pytest.raises(UsageError):
            work.drill_work(policy, "mediation", options(**wrong), NOW)

    @pytest.mark.parametrize("name", ["", "a b", "../../etc", "d", "x" * 65, "d-20261201\n"])
    def test_a_restore_id_is_safe_as_a_folder(self, policy: Policy, name: str) -> None:
        with pytest.raises(UsageError, match="restore id"):
            work.drill_work(policy, "mediation", RestoreOptions(restore_id=name), NOW)

    def test_legalservice_has_no_application(self, policy: Policy) -> None:
        assert work.drill_work(policy, "legalservice", options(), NOW)["application"] is None


class TestRecover:
    def test_in_place(self, policy: Policy) -> None:
        found = work.recover_work(
            policy, "mediation", options(hosts=["db1", "app1"], replace=["database:mediation"]), NOW
        )
        assert {item["item"]: item["target_host"] for item in found["items"]} == {
            "database:mediation": "db1",
            "files:app": "app1",
        }
        assert found["services"] == [{"host": "app1", "unit": "mediation-app.service", "order": 20, "stops": True}]
        assert (found["replace"], found["source_endpoints"]) == (["database:mediation"], [])
        assert found["target_groups"]["db1"] == ["all", "production", "sources"]

    def test_one_database_in_place_stops_what_uses_it(self, policy: Policy) -> None:
        found = work.recover_work(policy, "mediation", options(hosts=["db1"], database="mediation"), NOW)
        assert [item["item"] for item in found["items"]] == ["database:mediation"]
        assert [service["unit"] for service in found["services"]] == ["mediation-app.service"]
        assert found["left_alone"] == []

    @pytest.mark.parametrize(("host", "stops"), [("db1", False), ("app1", True)])
    def test_the_server_that_a_database_is_restored_into_is_never_stopped(
        self, tmp_path: Path, host: str, stops: bool
    ) -> None:
        server = f"services:\n  - {{host: {host}, unit: postgresql@15-main.service, order: 10}}\n"
        copy = InventoryCopy(tmp_path).pin_everything()
        copy.edit(MEDIATION, "services:\n", server)
        found = work.recover_work(copy.load(), "mediation", options(hosts=["db1", "app1"]), NOW)["services"]
        assert [(one["unit"], one["stops"]) for one in found] == [
            ("postgresql@15-main.service", stops),
            ("mediation-app.service", True),
        ]

    def test_a_stranger_receives_everything_and_the_living_system_goes_on(self, policy: Policy) -> None:
        found = work.recover_work(policy, "mediation", options(hosts=["scratch1"]), NOW)
        assert {item["target_host"] for item in found["items"]} == {"scratch1"}
        assert found["services"] == [{"host": "scratch1", "unit": "mediation-app.service", "order": 20, "stops": True}]
        assert found["left_alone"] == []

    @pytest.mark.parametrize("host", ["scratch1", "db1=scratch1"])
    def test_one_database_on_a_new_host_starts_nothing_and_says_so(self, policy: Policy, host: str) -> None:
        found = work.recover_work(policy, "mediation", options(hosts=[host], database="mediation"), NOW)
        assert found["services"] == []
        assert found["left_alone"] == [{"host": "app1", "unit": "mediation-app.service", "order": 20, "stops": True}]

    def test_pairs_lead_to_new_hosts(self, policy: Policy) -> None:
        found = work.recover_work(policy, "mediation", options(hosts=["db1=scratch1", "app1=backup1"]), NOW)
        assert [item["target_host"] for item in found["items"]] == ["scratch1", "backup1"]
        assert found["services"] == [{"host": "backup1", "unit": "mediation-app.service", "order": 20, "stops": True}]

    @pytest.mark.parametrize(
        "part",
        [
            {"database": "mediation", "table": "core.cases", "into_schema": "found"},
            {"files": "/srv/*", "into_dir": "/srv/found"},
        ],
    )
    def test_a_part_beside_the_living_stops_nothing(self, policy: Policy, part: dict[str, str]) -> None:
        host = "app1" if "files" in part else "db1"
        found = work.recover_work(policy, "mediation", options(hosts=[host], **part), NOW)
        assert (found["services"], found["left_alone"], found["application"]) == ([], [], None)
        assert len(found["items"]) == 1
        assert {key: value for key, value in found["part"].items() if value is not None} == part

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"hosts": []}, "needs --to"),
            ({"hosts": ["db1"]}, "files:app belongs on app1"),
            ({"hosts": ["db1", "scratch1"]}, "which host does scratch1 stand for"),
            ({"hosts": ["bd1=scratch1"]}, "Did you mean 'db1'"),
            ({"hosts": ["db1=scratch9", "app1"]}, "no host 'scratch9'"),
            ({"hosts": ["db1"], "database": "mediaton"}, "Did you mean 'mediation'"),
            ({"hosts": ["db1"], "table": "a.b"}, "--table needs"),
            ({"hosts": ["db1"], "database": "mediation", "table": "a.b"}, "--table needs"),
            ({"hosts": ["db1"], "into_schema": "x"}, "goes with --table"),
            ({"hosts": ["db1"], "files": "*"}, "go together"),
            ({"hosts": ["db1"], "into_dir": "/x"}, "go together"),
            ({"hosts": ["db1"], "database": "mediation", "files": "*", "into_dir": "/x"}, "not both"),
        ],
        ids=str,
    )
    def test_options_that_do_not_go_together(self, policy: Policy, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            work.recover_work(policy, "mediation", options(**wrong), NOW)
