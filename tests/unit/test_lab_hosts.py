"""What happens to a host is decided from what podman knows of it."""

from __future__ import annotations

import json

from yunwei.lab import engine, hosts
from yunwei.lab.topology import Network, Slot

DEMO = Slot("demo")
NOW = "5eed5eed"


def _all_running() -> list[hosts.Existing]:
    return [hosts.Existing(host.container, "running", hosts.spec_of(host), NOW) for host in DEMO.hosts]


def _change(existing: list[hosts.Existing], name: str) -> hosts.Change:
    return next(change for change in hosts.plan(DEMO, existing, NOW) if change.host.name == name)


def _altered(name: str, **fields: str) -> list[hosts.Existing]:
    return [
        hosts.Existing(**{**vars(found), **(fields if found.name == DEMO.host(name).container else {})})
        for found in _all_running()
    ]


def test_a_whole_lab_is_kept():
    assert {change.action for change in hosts.plan(DEMO, _all_running(), NOW)} == {"keep"}


def test_an_absent_host_is_created_and_the_others_kept():
    existing = [found for found in _all_running() if not found.name.endswith("-db1")]
    assert _change(existing, "db1").action == "create"
    assert _change(existing, "app1").action == "keep"


def test_a_host_of_lost_secrets_is_replaced():
    assert _change(_altered("backup1", generation="gone"), "backup1").action == "replace"


def test_a_host_of_an_older_recipe_is_replaced():
    assert _change(_altered("backup1", spec="older"), "backup1").action == "replace"


def test_a_stopped_host_is_started_not_replaced():
    change = _change(_altered("backup1", state="exited"), "backup1")
    assert (change.action, change.reason) == ("start", "is exited")


def test_another_slot_is_nobodys_business():
    assert {change.host.slot for change in hosts.plan(Slot("check"), _all_running(), NOW)} == {"check"}
    assert {change.action for change in hosts.plan(Slot("check"), _all_running(), NOW)} == {"create"}


def test_every_host_has_limits_that_work_without_cap_sys_resource():
    for host in DEMO.hosts:
        arguments = hosts.run_arguments(host)
        assert "nofile=16384:16384" in arguments
        assert "nproc=16384:16384" in arguments
        assert arguments[arguments.index("--ip") + 1] == host.address
        assert "--privileged" not in arguments


def test_podmans_listing_is_read():
    text = """[{"Names": ["yunwei-demo-db1"], "State": "Exited", "Labels": null},
               {"Names": ["yunwei-demo-app1"], "State": "running",
                "Labels": {"org.yunwei.spec": "a", "org.yunwei.generation": "b"}}]"""
    assert [hosts._existing(entry) for entry in json.loads(text)] == [
        hosts.Existing("yunwei-demo-db1", "exited", "", ""),
        hosts.Existing("yunwei-demo-app1", "running", "a", "b"),
    ]


def test_a_network_that_lost_its_isolation_is_another_network():
    wanted = Network("yunwei-demo-site", "198.51.100.64/27", True)
    entry = {"subnets": [{"subnet": "198.51.100.64/27"}], "options": {"isolate": "true"}}
    assert hosts._same(wanted, entry)
    assert not hosts._same(wanted, {**entry, "options": {}})
    assert not hosts._same(wanted, {**entry, "subnets": [{"subnet": "198.51.100.0/27"}]})


HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""
PURE_V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n"


def test_runc_is_named_on_hybrid_cgroups_only():
    assert engine.runtime_options(HYBRID) == ["--runtime", "runc"]
    assert engine.runtime_options(PURE_V2) == []
