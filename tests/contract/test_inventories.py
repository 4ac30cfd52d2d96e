"""The inventories that are shipped: valid, complete against the contract, and read as Ansible reads them."""

import ipaddress
import json
import re
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from yunwei import policy
from yunwei.calendar import Calendar, Span
from yunwei.calendar.spans import intersect
from yunwei.paths import content_root
from yunwei.policy import Policy

ROOT = content_root()
TODAY = date(2026, 12, 1)
NAMES = ["lab", "example"]
DOCUMENTATION = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
# The contract's fourteen systems and the backups each is owed, from its sections 2.1 to 2.14.
OWED = {
    "2.1": {},
    "2.2": {},
    "2.3": {"database": "day", "files": None},
    "2.4": {"database": None, "files": None},
    "2.5": {"database": "day", "files": "month"},
    "2.6": {"database": None},
    "2.7": {"database": None},
    "2.8": {"database": None, "files": None},
    "2.9": {"database": None},
    "2.10": {},
    "2.11": {"database": "day", "files": "day"},
    "2.12": {"database": "day", "files": "day"},
    "2.13": {"database": None},
    "2.14": {"database": None, "files": None},
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def loaded(name: str) -> Policy:
    return policy.load(ROOT / "inventories" / name, TODAY)


@pytest.fixture
def example() -> Policy:
    return policy.load(ROOT / "inventories" / "example", TODAY)


def test_every_inventory_with_a_policy_is_tested() -> None:
    assert sorted(path.parent.parent.name for path in ROOT.glob("inventories/*/policy/estate.yml")) == sorted(NAMES)


def test_it_is_valid(name: str) -> None:
    assert [str(problem) for problem in policy.validate(ROOT / "inventories" / name, TODAY)] == []


def test_all_addresses_are_documentation_addresses(loaded: Policy) -> None:
    addresses = [host.address for host in loaded.hosts.values()] + [loaded.estate.sites.miyun.address]
    assert addresses
    for address in addresses:
        assert any(ipaddress.ip_address(address) in net for net in DOCUMENTATION), address
    assert len(set(addresses)) == len(addresses)


def test_every_system_keeps_both_sites_and_its_newest_backups(loaded: Policy) -> None:
    for system in loaded.systems.values():
        assert {rule.site for rule in system.retention} == {"local", "miyun"}
        assert all(rule.keep.last >= 3 for rule in system.retention)


def test_every_system_and_every_host_has_a_window(loaded: Policy) -> None:
    calendar = Calendar(loaded)
    for name in loaded.hosts:
        assert all(demand.windows for demand in calendar.scope(None, name).demands), name
    assert {name: len(calendar.scope(name).demands) > 0 for name in loaded.systems} == dict.fromkeys(
        loaded.systems, True
    )


def test_no_change_begins_in_working_hours_of_a_workday(loaded: Policy) -> None:
    """Contract 2.9; taken for all systems, in the months whose holidays are known."""
    calendar = Calendar(loaded)
    days = [datetime(2026, 1, 1, tzinfo=calendar.zone) + timedelta(days=count) for count in range(365)]
    hours = [Span(day.replace(hour=9), day.replace(hour=17)) for day in days if not calendar.workdays.rests(day.date())]
    for name in loaded.systems:
        openings = calendar.openings(calendar.scope(name), Span(days[0], days[-1]))
        assert len(openings) >= 10, name
        assert intersect(openings, hours) == []


def test_the_special_periods_of_the_contract_are_freezes(example: Policy) -> None:
    names = {rule.entry.name.en for rule in example.calendar.freezes if not rule.entry.systems and not rule.entry.hosts}
    assert {"Spring Festival", "National Day", "National People's Congress"} <= names
    exam = {rule.entry.name.en for rule in example.calendar.freezes if rule.entry.systems == ["exam"]}
    assert len([name for name in exam if name.startswith(("Applications", "Certificates", "Registration"))]) == 3


def test_no_drill_host_is_in_production(loaded: Policy) -> None:
    for name in loaded.estate.drill.hosts:
        assert "production" not in loaded.hosts[name].groups


def test_owners_are_roles(loaded: Policy) -> None:
    assert all(system.owner_role == f"{system.id}-owner" for system in loaded.systems.values())


def test_the_example_carries_the_fourteen_systems(example: Policy) -> None:
    assert {system.contract for system in example.systems.values()} == set(OWED)
    assert len(example.systems) == 14


@pytest.mark.parametrize("name", NAMES)
def test_the_contract_file_says_what_the_contract_owes(loaded: Policy) -> None:
    assert loaded.contract is not None
    for section in loaded.contract.sections:
        assert {owed.kind: owed.every for owed in section.backups} == OWED[section.section], section.section


def test_the_lab_and_the_example_owe_the_same(example: Policy) -> None:
    lab = policy.load(ROOT / "inventories" / "lab", TODAY)
    assert lab.contract is not None
    assert example.contract is not None
    whole = {section.section: (section.name, section.backups) for section in example.contract.sections}
    assert all(whole[one.section] == (one.name, one.backups) for one in lab.contract.sections)


def test_mediation_is_recovered_within_the_contracts_hour(loaded: Policy) -> None:
    assert loaded.systems["mediation"].targets.rto_seconds == 3600


def test_the_examples_machines_are_those_that_the_contract_counts(example: Policy) -> None:
    legal = example.systems["legalservice"]
    counts = {
        group: sum(group in example.hosts[host].groups for host in legal.hosts)
        for group in ("neokylin6", "neokylin7", "windows")
    }
    assert counts == {"neokylin6": 16, "neokylin7": 3, "windows": 4}
    assert [database.engine for database in legal.databases] == ["dameng"] * 5
    engines = {database.engine for system in example.systems.values() for database in system.databases}
    assert engines == set(policy.ENGINES)


def test_every_host_of_the_example_has_a_use(example: Policy) -> None:
    used = {host for system in example.systems.values() for host in system.hosts}
    used |= {example.estate.sites.local.backup_server, *example.estate.drill.hosts}
    used |= {name for name, host in example.hosts.items() if "controllers" in host.groups}
    assert used == set(example.hosts)


def test_old_hosts_get_old_algorithms_and_nobody_else(example: Policy) -> None:
    for host in example.hosts.values():
        old = "neokylin6" in host.groups
        assert ("+ssh-rsa" in str(host.variables.get("ansible_ssh_common_args"))) is old
        assert ("yunwei_source_ssh_options" in host.variables) is old


def test_host_keys_are_checked_everywhere(loaded: Policy) -> None:
    for host in loaded.hosts.values():
        if host.variables.get("ansible_connection") == "psrp":
            assert host.variables["ansible_psrp_cert_validation"] == "validate"
        else:
            arguments = str(host.variables["ansible_ssh_common_args"])
            assert "StrictHostKeyChecking=yes" in arguments
            assert re.search(r"UserKnownHostsFile=(\S+|\{\{ yunwei_known_hosts_file \}\})", arguments)


def test_hosts_groups_and_variables_are_what_ansible_sees(name: str, loaded: Policy) -> None:
    tool = Path(sys.executable).with_name("ansible-inventory")
    command = [str(tool), "-i", str(ROOT / "inventories" / name / "hosts.yml"), "--list"]
    seen = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    variables = seen.pop("_meta")["hostvars"]
    assert {host.name: host.variables for host in loaded.hosts.values()} == variables
    for group, content in seen.items():
        for host in content.get("hosts", []):
            assert group in loaded.hosts[host].groups, (group, host)


def test_files_are_read_alike_by_plain_yaml(name: str) -> None:
    """Our strict reader makes every key text; nothing we ship may depend on that."""
    for file in (ROOT / "inventories" / name).rglob("*.yml"):
        keys = [yaml.safe_load(file.read_text(encoding="utf-8"))]
        while keys:
            value = keys.pop()
            if isinstance(value, dict):
                assert all(isinstance(key, str) for key in value), file
                keys += value.values()
            elif isinstance(value, list):
                keys += value
