"""Hosts and variables as Ansible sees them, and variables that it would skip without a word."""

from pathlib import Path

import pytest

from tests.inventories import InventoryCopy
from yunwei.policy.inventory import Assignment, read_inventory
from yunwei.policy.role_variables import misspelt, role_interfaces
from yunwei.policy.suggest import did_you_mean, nearest

ROLES = {
    "backup_server": {"backup_server_path", "backup_server_owner"},
    "backup_source": {"backup_source_account"},
    "backup": {"backup_window"},
}


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path)


def test_variables_are_merged_in_ansibles_order(lab: InventoryCopy) -> None:
    lab.write("group_vars/all.yml", "a: all file\nb: all file\nc: all file\nd: all file\n")
    lab.write("group_vars/production.yml", "b: parent file\nc: parent file\nd: parent file\n")
    lab.write("group_vars/sources/main.yml", "c: child file\nd: child file\n")
    lab.write("host_vars/db1.yml", "d: host file\nansible_port: 2222\n")
    hosts = read_inventory(lab.folder).hosts
    assert [hosts["db1"].variables[name] for name in "abcd"] == ["all file", "parent file", "child file", "host file"]
    assert [hosts["app1"].variables[name] for name in "abcd"] == ["all file", "parent file", "child file", "child file"]
    assert (hosts["db1"].port, hosts["app1"].port) == (2222, 22)
    assert hosts["db1"].groups == ("all", "production", "sources")


def test_what_ansible_would_skip_in_the_hosts_file(lab: InventoryCopy) -> None:
    lab.edit("hosts.yml", "    backup_servers:\n      hosts:", "    backup_servers:\n      host:")
    found = [(problem.path, problem.hint) for problem in read_inventory(lab.folder).problems]
    assert found == [("all.children.backup_servers.host", "Did you mean 'hosts'?")]


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("group_vars/sorces.yml", "Did you mean 'sources'?"),
        ("host_vars/scrach1/main.yml", "Did you mean 'scratch1'?"),
        ("host_vars/qqqqqqq", None),
    ],
)
def test_variables_of_nobody(lab: InventoryCopy, file: str, hint: str | None) -> None:
    lab.write(file, "x: 1\n")
    problem = lab.only_problem()
    assert (problem.file, problem.hint) == (file, hint)


@pytest.mark.parametrize("content", ["all: [db1]\n", "all:\n  hosts: db1\n", "all:\n  children: [sources]\n"])
def test_lists_where_ansible_wants_mappings(lab: InventoryCopy, content: str) -> None:
    lab.write("hosts.yml", content)
    assert any(problem.file == "hosts.yml" and "a mapping" in problem.allowed for problem in lab.problems())


def test_a_group_inside_itself_ends(lab: InventoryCopy) -> None:
    lab.write("hosts.yml", "all: {children: {a: {children: {b: }}, b: {hosts: {x: }, children: {a: }}}}\n")
    assert read_inventory(lab.folder).hosts["x"].groups[0] == "all"


def test_encrypted_values_are_read_over(lab: InventoryCopy) -> None:
    lab.write("group_vars/all.yml", "secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n")
    assert lab.problems() == []


def test_a_windows_host_is_no_source(lab: InventoryCopy) -> None:
    lab.write("host_vars/legacy1.yml", "ansible_connection: psrp\n")
    found = {(problem.path, problem.found) for problem in lab.problems()}
    places = ("file_sets[0].host", "logs[0].hosts[0]", "logs[1].hosts[0]")
    assert found == {(place, "'legacy1', a Windows host") for place in places}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("backup_server_pth", "Did you mean 'backup_server_path'?"),
        ("backup_server_colour_of_door", None),
        ("backup_windw", "Did you mean 'backup_window'?"),
        ("bakup_server_path", "Did you mean 'backup_server_path'?"),
        ("backup_sorce_account", "Did you mean 'backup_source_account'?"),
        ("ansible_hots", "Did you mean 'ansible_host'?"),
        ("ansible_pyton_interpreter", "Did you mean 'ansible_python_interpreter'?"),
    ],
)
def test_misspelt_variables(name: str, hint: str | None) -> None:
    (problem,) = misspelt([Assignment("host_vars/db1.yml", name, name, 1)], ROLES)
    assert problem.path == name
    assert problem.hint == hint


@pytest.mark.parametrize(
    "name",
    ["backup_server_path", "backup_window", "ansible_host", "ansible_winrm_scheme", "yunwei_known_hosts_file", "site"],
)
def test_variables_that_are_right_or_none_of_our_business(name: str) -> None:
    assert misspelt([Assignment("host_vars/db1.yml", name, name, 1)], ROLES) == []


def test_role_interfaces_take_every_entry_point(tmp_path: Path) -> None:
    spec = tmp_path / "demo" / "meta" / "argument_specs.yml"
    spec.parent.mkdir(parents=True)
    spec.write_text(
        "argument_specs:\n  main:\n    options:\n      demo_a: {}\n  other:\n    options: {demo_b: {}}\n  bare:\n"
    )
    assert role_interfaces(tmp_path) == {"demo": {"demo_a", "demo_b"}}


def test_nearest_names() -> None:
    assert nearest("POSTGRES", ["postgresql", "oracle"]) == "postgresql"
    assert nearest("zzz", ["postgresql", "oracle"]) is None
    assert did_you_mean(5432, ["5432a"]) == "Did you mean '5432a'?"
