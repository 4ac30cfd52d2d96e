"""How hosts are reached: what would weaken a connection or confuse two hosts is refused."""

from pathlib import Path

import pytest

from tests.inventories import ESTATE, InventoryCopy


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path)


@pytest.mark.parametrize(
    "value", ["[]", "[HostKeyAlgorithms=+ssh-rsa]", "[MACs=+hmac-sha1, 'Ciphers=+aes128-cbc,3des-cbc']"]
)
def test_options_for_old_servers(lab: InventoryCopy, value: str) -> None:
    lab.write("host_vars/legacy1.yml", f"yunwei_source_ssh_options: {value}\n")
    assert lab.problems() == []


@pytest.mark.parametrize(
    "option",
    [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "ProxyCommand=+sh",
        "HostKeyAlgorithms=ssh-rsa",
        "HostKeyAlgorithms=+ssh-rsa -o StrictHostKeyChecking=no",
        "HostKeyAlgorithms=+ssh-rsa\nStrictHostKeyChecking=no",
        "hostkeyalgorithms=+*",
        "HostKeyAlgorithms=+ssh-rsa\n",
        7,
    ],
)
def test_options_that_would_weaken_the_connection_are_refused(lab: InventoryCopy, option: object) -> None:
    lab.write("host_vars/legacy1.yml", f"yunwei_source_ssh_options: [{option!r}]\n".replace("'", '"'))
    problem = lab.only_problem()
    assert problem.path == "yunwei_source_ssh_options[0]"
    assert "algorithms added" in problem.allowed


def test_options_must_be_a_list(lab: InventoryCopy) -> None:
    lab.write("host_vars/legacy1.yml", "yunwei_source_ssh_options: HostKeyAlgorithms=+ssh-rsa\n")
    assert lab.only_problem().path == "yunwei_source_ssh_options"


@pytest.mark.parametrize("port", ["0", "65536", "'22'", "true"])
def test_ports_that_are_none(lab: InventoryCopy, port: str) -> None:
    lab.write("host_vars/db1.yml", f"ansible_port: {port}\n")
    assert lab.only_problem().path == "ansible_port"


@pytest.mark.parametrize(
    "line",
    [
        "ansible_ssh_common_args: -o StrictHostKeyChecking=no",
        "ansible_ssh_common_args: -o StrictHostKeyChecking=accept-new",
        "ansible_ssh_extra_args: -o stricthostkeychecking=off",
        "ansible_ssh_common_args: '-o \"StrictHostKeyChecking no\"'",
        "ansible_ssh_common_args: -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null",
        "ansible_host_key_checking: false",
        "ansible_ssh_host_key_checking: 'no'",
        "ansible_psrp_cert_validation: ignore",
        "ansible_winrm_server_cert_validation: ignore",
    ],
)
def test_no_check_is_ever_switched_off(lab: InventoryCopy, line: str) -> None:
    lab.write("host_vars/scratch1.yml", line + "\n")
    assert lab.only_problem().path == line.partition(":")[0]


@pytest.mark.parametrize("address", ["", "'{{ x }}'", "10", "[192.0.2.1]", "-oProxyCommand=x", "'a b'"])
def test_addresses_that_are_none(lab: InventoryCopy, address: str) -> None:
    lab.write("host_vars/scratch1.yml", f"ansible_host: {address}\n")
    assert lab.only_problem().path == "ansible_host"


def test_a_host_under_two_names(lab: InventoryCopy) -> None:
    address = lab.load().hosts["db1"].address
    lab.write("host_vars/legacy1.yml", f"ansible_host: {address}\n")
    assert lab.only_problem().found == f"the address {address}, which is db1's"
    lab.write("host_vars/legacy1.yml", f"ansible_host: {address}\nansible_port: 2222\n")
    assert lab.problems() == []


def test_a_drill_host_shares_no_address_at_all(lab: InventoryCopy) -> None:
    address = lab.load().hosts["db1"].address
    lab.write("host_vars/scratch1.yml", f"ansible_host: {address}\nansible_port: 2222\n")
    assert lab.only_problem().path == "scratch1"


def test_ansible_and_the_backup_server_trust_the_same_keys(lab: InventoryCopy) -> None:
    lab.edit(ESTATE, "known_hosts_file: /dev/shm", "known_hosts_file: /run")
    problem = lab.only_problem()
    assert (problem.file, problem.path) == ("hosts.yml", "all.vars.yunwei_known_hosts_file")
