"""Policy and options turned into the unit of work of each job; those of a restore are in `test_restore_work`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from tests.inventories import ESTATE, MEDIATION, InventoryCopy
from yunwei import work
from yunwei.errors import RefusedError, UsageError
from yunwei.ledger import Head
from yunwei.policy import Policy
from yunwei.work import RestoreOptions, restore_shapes, shapes, source_shapes

NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)  # noon in Shanghai
HEAD = Head(7, "ab" * 32)


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path).pin_everything()


@pytest.fixture
def policy(lab: InventoryCopy) -> Policy:
    return lab.load()


def options(**chosen: Any) -> RestoreOptions:
    return RestoreOptions(restore_id="d-20261201", **chosen)


class TestBackUp:
    def test_the_whole_work(self, policy: Policy) -> None:
        found = work.back_up_work(policy, "mediation", False, NOW)
        address = policy.hosts["db1"].address
        assert found["repository"] == "/srv/backup/mediation/repo"
        assert found["records"] == "/srv/backup/mediation/records"
        assert found["known_hosts"] == [
            f"{policy.hosts[host].address} ssh-ed25519 PIN-{policy.hosts[host].address}" for host in ("app1", "db1")
        ]
        assert found["items"][0] == {
            "item": "database:mediation",
            "slug": "database-mediation",
            "kind": "database",
            "name": "mediation",
            "engine": "postgresql",
            "no_driver": None,
            "source_host": "db1",
            "source_address": address,
            "source_port": 22,
            "account": "yunwei-source",
            "secret": "source-db1",
            "ssh_options": [],
            "full_every_days": None,
            "lock_timeout_seconds": 10,
            "rpo_seconds": 86400,
            "schedule": {"last_scheduled": "2026-11-30T17:30:00Z", "next_due": "2026-12-01T17:30:00Z"},
        }
        assert found["items"][1]["full_every_days"] == 30
        assert (found["now"], found["time"], found["parallel"]) == (False, "2026-12-01T04:00:00Z", 2)
        assert found["tripwire"] == {
            "table_rows_percent": 30,
            "all_rows_percent": 20,
            "tables_gone": 0,
            "minimum_rows": 1000,
            "files_percent": 30,
            "minimum_files": 50,
            "rewritten_points": 100,
            "minimum_bytes": 67108864,
            "hold": 3,
            "releases": [],
        }

    def test_releases_reach_whoever_judges_or_removes(self, lab: InventoryCopy) -> None:
        release = "{item: database:mediation, record: '0123abcd', reason: purge of 2026}"
        lab.edit(MEDIATION, "{rewritten_points: 100}", f"{{files_percent: 50, releases: [{release}]}}")
        policy = lab.load()
        expected = [{"item": "database:mediation", "record": "0123abcd", "reason": "purge of 2026"}]
        found = work.back_up_work(policy, "mediation", False, NOW)["tripwire"]
        assert (found["files_percent"], found["releases"]) == (50, expected)
        assert work.retire_work(policy, "mediation", "local", NOW)["tripwire_releases"] == expected

    def test_an_engine_without_driver_is_never_left_out(self, lab: InventoryCopy) -> None:
        lab.edit(MEDIATION, "engine: postgresql", "engine: dameng")
        item = work.back_up_work(lab.load(), "mediation", True, NOW)["items"][0]
        assert item["no_driver"] == "could not judge: no driver for dameng"

    def test_options_and_port_of_an_old_host(self, lab: InventoryCopy) -> None:
        lab.write(
            "host_vars/legacy1.yml", "ansible_port: 2222\nyunwei_source_ssh_options: [HostKeyAlgorithms=+ssh-rsa]\n"
        )
        policy = lab.load()
        with pytest.raises(UsageError, match="pins no host key"):
            work.back_up_work(policy, "legalservice", False, NOW)
        lab.known_hosts.write_text(
            f"{policy.hosts['db1'].address} ssh-ed25519 A\n[{policy.hosts['legacy1'].address}]:2222 ssh-rsa B\n"
        )
        found = work.back_up_work(policy, "legalservice", False, NOW)
        assert found["items"][1]["source_port"] == 2222
        assert found["items"][1]["ssh_options"] == ["HostKeyAlgorithms=+ssh-rsa"]
        assert len(found["known_hosts"]) == 2

    def test_variables_from_ansible_win_over_the_file(self, lab: InventoryCopy, policy: Policy) -> None:
        lab.known_hosts.write_text("192.0.2.99 ssh-ed25519 A\n" + lab.known_hosts.read_text())
        found = work.back_up_work(policy, "mediation", False, NOW, {"db1": {"ansible_host": "192.0.2.99"}})
        assert found["items"][0]["source_address"] == "192.0.2.99"
        assert found["known_hosts"][0] == "192.0.2.99 ssh-ed25519 A"

    @staticmethod
    def place(path: str, below: bool) -> dict[str, Any]:
        return {"path": path, "below": below, "patterns": ["*.log.[0-9]*"], "exclude": []}

    def test_what_a_source_may_hand_out(self, policy: Policy) -> None:
        database = {"engine": "postgresql", "port": 5432, "os_user": "postgres", "lock_timeout_seconds": 10}
        found = work.source_work(policy, "db1")
        assert found["systems"] == {
            "legalservice": {"databases": {"legalservice": database}, "file_sets": {}, "logs": {}, "history": {}},
            "mediation": {
                "databases": {"mediation": database},
                "file_sets": {},
                "logs": {"db1": [self.place("/var/log/postgresql", below=False)]},
                "history": {},
            },
        }
        app = work.source_work(policy, "app1")["systems"]
        assert app == {
            "mediation": {
                "databases": {},
                "file_sets": {"app": {"paths": ["/srv/mediation"], "exclude": []}},
                "logs": {"app1": [self.place("/var/log/mediation", below=True)]},
                "history": {},
            }
        }
        assert work.source_work(policy, "scratch1")["systems"] == {}


class TestSites:
    def test_sync(self, policy: Policy) -> None:
        found = work.sync_work(policy, "mediation", HEAD, NOW)
        assert found["items"] == ["database:mediation", "files:app", "logs:app1", "logs:db1"]
        assert found["head"] == {"count": 7, "hash": "ab" * 32}
        assert found["remote"] == {
            "site": "miyun",
            "address": "198.51.100.139",
            "port": 22,
            "user": "miyun-append",
            "path": "/srv/miyun/mediation",
            "secret": "miyun-append",
            "repository_secret": "repository-miyun",
            "host_keys": ["198.51.100.139 ssh-ed25519 PIN-198.51.100.139"],
            "receipt_public_key": "ssh-ed25519 RECEIPT miyun",
        }
        assert found["target"] == {
            "kind": "append_over_ssh",
            "share_name": None,
            "share_path": None,
            "replica_wait_seconds": 0,
        }

    def test_sync_to_a_replicated_share(self, lab: InventoryCopy) -> None:
        told = "{kind: vendor_replica, share_name: box1, share_path: /mnt/box1, replica_wait_seconds: 600}"
        lab.edit(
            ESTATE, "  miyun:\n", "  miyun:\n" + "".join(f"    {line.strip()}\n" for line in told[1:-1].split(","))
        )
        found = work.sync_work(lab.load(), "mediation", HEAD, NOW)["target"]
        assert found == {
            "kind": "vendor_replica",
            "share_name": "box1",
            "share_path": "/mnt/box1",
            "replica_wait_seconds": 600,
        }

    def test_without_the_receipt_key_nothing_starts(self, lab: InventoryCopy, policy: Policy) -> None:
        lab.receipt_key.unlink()
        with pytest.raises(UsageError, match=r"miyun_receipt\.pub .* cannot be read: No such file"):
            work.sync_work(policy, "mediation", HEAD, NOW)

    def test_retire_locally_needs_the_other_site(self, policy: Policy) -> None:
        found = work.retire_work(policy, "mediation", "local", NOW)
        assert found["needs_site"] == "miyun"
        assert found["keep"] == {"last": 3, "daily": 14, "weekly": 8, "monthly": 12, "yearly": 0}
        assert found["permission"] == {"reference": "LAB-CONSENT-2026-01", "expires": "2027-12-31"}
        assert (found["max_removals"], found["alert_days"], found["timezone"]) == (20, 30, "Asia/Shanghai")
        assert found["rejected_days"] == 30

    def test_retire_at_the_second_site(self, policy: Policy) -> None:
        found = work.retire_work(policy, "mediation", "miyun", NOW)
        assert (found["repository"], found["records"], found["needs_site"]) == ("/srv/miyun/mediation", None, None)

    def test_an_expired_permission_refuses_by_the_estates_calendar(self, policy: Policy) -> None:
        still = datetime(2027, 12, 31, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
        assert work.retire_work(policy, "mediation", "local", still)["system"] == "mediation"
        with pytest.raises(RefusedError, match="expired on 2027-12-31; today is 2028-01-01"):
            work.retire_work(policy, "mediation", "local", still.replace(hour=16))

    def test_only_holds_in_force_are_handed_over(self, lab: InventoryCopy) -> None:
        holds = [("aaaaaaaa", "null"), ("bbbbbbbb", "2026-12-01"), ("cccccccc", "2026-11-30")]
        lines = [
            f"{{item: database:mediation, record: {record}, reason: court, until: {until}}}" for record, until in holds
        ]
        lab.edit(MEDIATION, "legal_holds: []", f"legal_holds: [{', '.join(lines)}]")
        found = work.retire_work(lab.load(), "mediation", "local", NOW)["legal_holds"]
        assert [(hold["record"], hold["until"]) for hold in found] == [("aaaaaaaa", None), ("bbbbbbbb", "2026-12-01")]


def keys_match(value: Any, shape: Any) -> None:
    """Assert that a mapping has exactly the keys of its TypedDict, with what is nested in it."""
    hints = get_type_hints(shape)
    assert set(value) == set(hints)
    for key, hint in hints.items():
        inner = [hint, *getattr(hint, "__args__", ())]
        nested = next((one for one in inner if hasattr(one, "__required_keys__")), None)
        if nested is not None and value[key] is not None and getattr(hint, "__origin__", None) is not dict:
            for one in value[key] if isinstance(value[key], list) else [value[key]]:
                keys_match(one, nested)


def test_every_work_is_json_and_has_the_shape_that_was_promised(policy: Policy) -> None:
    recovery = options(hosts=["db1", "app1"])
    works = [
        (work.back_up_work(policy, "mediation", False, NOW), shapes.BackUpWork),
        (work.log_work(policy, "mediation", NOW), shapes.LogWork),
        (work.sync_work(policy, "mediation", HEAD, NOW), shapes.SyncWork),
        (work.retire_work(policy, "mediation", "local", NOW), shapes.RetireWork),
        (work.drill_work(policy, "mediation", options(), NOW), restore_shapes.RestoreWork),
        (work.recover_work(policy, "mediation", recovery, NOW), restore_shapes.RestoreWork),
        (work.source_work(policy, "db1"), source_shapes.SourceWork),
    ]
    for value, shape in works:
        assert json.loads(json.dumps(value)) == value
        keys_match(value, shape)


@pytest.mark.parametrize(
    "call", [work.back_up_work, work.sync_work, work.retire_work, work.drill_work, work.recover_work]
)
def test_an_unknown_system(policy: Policy, call: Any) -> None:
    extra = {work.back_up_work: [False], work.retire_work: ["local"], work.sync_work: [HEAD]}.get(call, [options()])
    with pytest.raises(UsageError, match="Did you mean 'legalservice'"):
        call(policy, "legalservic", *extra, NOW)
