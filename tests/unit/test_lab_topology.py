"""The lab's address plan, and that the shipped inventories say the same."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
import yaml

from yunwei import policy
from yunwei.errors import UsageError
from yunwei.lab import inventory
from yunwei.lab.topology import HOST_NAMES, SLOTS, SYSTEMS, Slot

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTATION = [ipaddress.ip_network(block) for block in ("198.51.100.0/24", "203.0.113.0/24")]


def _hosts(tree: dict) -> dict:
    found = {name: dict(variables or {}) for name, variables in (tree.get("hosts") or {}).items()}
    for child in (tree.get("children") or {}).values():
        for name, variables in _hosts(child or {}).items():
            found.setdefault(name, {}).update(variables)
    return found


def test_no_two_networks_of_any_slots_overlap():
    subnets = [ipaddress.ip_network(network.subnet) for slot in SLOTS for network in Slot(slot).networks]
    assert len(subnets) == 4 * len(SLOTS)
    for number, one in enumerate(subnets):
        assert any(one.subnet_of(block) for block in DOCUMENTATION)
        assert not any(one.overlaps(other) for other in subnets[number + 1 :])


@pytest.mark.parametrize("slot", SLOTS)
def test_every_host_lies_in_its_network(slot):
    subnets = {network.name: ipaddress.ip_network(network.subnet) for network in Slot(slot).networks}
    for host in Slot(slot).hosts:
        assert ipaddress.ip_address(host.address) in subnets[host.network]


def test_sources_and_drill_hosts_are_on_networks_that_cannot_reach_each_other():
    networks = {network.name: network for network in Slot("demo").networks}
    for name in ("app1", "db1", "legacy1", "scratch1"):
        assert networks[Slot("demo").host(name).network].isolated
    assert Slot("demo").host("db1").network != Slot("demo").host("scratch1").network


def test_inventory_of_the_lab_has_every_host_but_the_second_sites():
    hosts = _hosts(yaml.safe_load((ROOT / "inventories/lab/hosts.yml").read_text(encoding="utf-8"))["all"])
    assert {name: found["ansible_host"] for name, found in hosts.items()} == {
        name: Slot("demo").host(name).address for name in HOST_NAMES if name != "miyun1"
    }
    named = {name: found["ansible_python_interpreter"] for name, found in hosts.items() if len(found) > 1}
    assert named == {"legacy1": Slot("demo").host("legacy1").python}


def test_inventory_of_the_second_sites_administrator_has_only_its_host():
    tree = yaml.safe_load((ROOT / "inventories/lab_miyun_admin/hosts.yml").read_text(encoding="utf-8"))
    hosts = _hosts(tree["all"])
    assert list(hosts) == ["miyun1"]
    assert hosts["miyun1"]["ansible_host"] == Slot("demo").host("miyun1").address
    assert hosts["miyun1"]["ansible_user"] == Slot("demo").host("miyun1").admin


def test_systems_are_those_of_the_labs_policy():
    systems = policy.load(ROOT / "inventories/lab").systems
    assert {name: set(hosts) for name, hosts in SYSTEMS.items()} == {
        name: {item.host for item in system.items()} for name, system in systems.items()
    }


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"no lab slot 'prod'.*demo, check"):
        Slot("prod")
    with pytest.raises(UsageError, match=r"no host 'db9'.*app1, db1"):
        Slot("demo").host("db9")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ansible_host: 198.51.100.11\n", "ansible_host: 198.51.100.43\n"),
        ("https://127.0.0.1:18200", "https://127.0.0.1:18210"),
        ("/dev/shm/yunwei-lab-demo/ssh", "/dev/shm/yunwei-lab-check/ssh"),
        ("ends with 198.51.100.139.", "ends with 198.51.100.171."),
        ("198.51.100.110", "198.51.100.110"),
        ("8198.51.100.11", "8198.51.100.11"),
        ("198.51.100.11.5", "198.51.100.11.5"),
        ("182000", "182000"),
    ],
)
def test_translation_replaces_whole_words_only(text, expected):
    assert inventory.translate(text, Slot("check")) == expected


def test_nothing_of_the_demo_slot_is_left_in_a_translated_inventory():
    demo = Slot("demo")
    traces = [demo.secrets_dir.name, str(demo.vault_port), *(host.address for host in demo.hosts)]
    files = [path for name in ("lab", "lab_miyun_admin") for path in (ROOT / "inventories" / name).rglob("*.yml")]
    assert len(files) >= 5
    for path in files:
        text = inventory.translate(path.read_text(encoding="utf-8"), Slot("check"))
        assert not [trace for trace in traces if trace in text], path
