"""How hosts are reached: real addresses, each host once, host keys and certificates always checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from yunwei.policy.draft import Draft, mapping, sequence
from yunwei.policy.estate import Estate
from yunwei.policy.inventory import Assignment, Inventory
from yunwei.policy.problems import Problem, key_path, shown

SSH_OPTIONS = "yunwei_source_ssh_options"
# Only what an old sshd needs, and only added to the defaults: host keys stay checked, nothing is weakened for others.
_SSH_OPTION = re.compile(
    r"(HostKeyAlgorithms|PubkeyAcceptedAlgorithms|PubkeyAcceptedKeyTypes|KexAlgorithms|Ciphers|MACs)=\+[A-Za-z0-9@.,-]+"
)
_ADDRESS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?")
_UNCHECKED_KEY = re.compile(
    r"StrictHostKeyChecking[ =]+\"?(no|off|false|accept-new)\b|UserKnownHostsFile[ =]+\"?/dev/null|CheckHostIP[ =]+no",
    re.IGNORECASE,
)
_SSH_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
_SWITCHES = ("ansible_host_key_checking", "ansible_ssh_host_key_checking")
_CERTIFICATES = ("ansible_psrp_cert_validation", "ansible_winrm_server_cert_validation")


def check_connections(inventory: Inventory, estate: Draft[Estate]) -> Iterator[Problem]:
    """Yield variables by which a host would not be reached, or reached without proof of who answers."""
    for one in inventory.assignments:
        check = _CHECKS.get(one.name)
        if check is not None:
            yield from check(one)
        if one.name == "yunwei_known_hosts_file":
            yield from _same_pins(one, estate)
    yield from _each_host_once(inventory, estate)


def _address(one: Assignment) -> Iterator[Problem]:
    if not (isinstance(one.value, str) and _ADDRESS.fullmatch(one.value)):
        yield Problem(one.file, one.path, shown(one.value), "an address or a host name, written out")


def _port(one: Assignment) -> Iterator[Problem]:
    if not (type(one.value) is int and 1 <= one.value <= 65535):
        yield Problem(one.file, one.path, shown(one.value), "a port, 1 to 65535")


def _ssh_arguments(one: Assignment) -> Iterator[Problem]:
    unchecked = _UNCHECKED_KEY.search(str(one.value))
    if unchecked:
        allowed = "host keys that are pinned and checked: StrictHostKeyChecking=yes"
        hint = "Compare the host's key with its administrator, then add it to the known hosts."
        yield Problem(one.file, one.path, repr(unchecked.group(0)), allowed, hint)


def _switch(one: Assignment) -> Iterator[Problem]:
    if one.value not in (True, "True", "true", "yes"):
        yield Problem(one.file, one.path, shown(one.value), "true: no host-key check is ever switched off")


def _certificate(one: Assignment) -> Iterator[Problem]:
    if one.value != "validate":
        yield Problem(one.file, one.path, shown(one.value), "validate: no certificate check is ever switched off")


def _ssh_options(one: Assignment) -> Iterator[Problem]:
    allowed = "a list of algorithms added to the defaults, such as HostKeyAlgorithms=+ssh-rsa"
    if not isinstance(one.value, list):
        yield Problem(one.file, one.path, shown(one.value), allowed)
        return
    for index, option in enumerate(one.value):
        if not (isinstance(option, str) and _SSH_OPTION.fullmatch(option)):
            yield Problem(one.file, one.path + key_path([index]), shown(option), allowed)


_CHECKS: dict[str, Callable[[Assignment], Iterator[Problem]]] = {
    "ansible_host": _address,
    "ansible_port": _port,
    SSH_OPTIONS: _ssh_options,
    **dict.fromkeys(_SSH_ARGUMENTS, _ssh_arguments),
    **dict.fromkeys(_SWITCHES, _switch),
    **dict.fromkeys(_CERTIFICATES, _certificate),
}


def _same_pins(one: Assignment, estate: Draft[Estate]) -> Iterator[Problem]:
    """Ansible and the backup server must trust the same keys."""
    pins = estate.text("known_hosts_file")
    if pins is not None and one.value != pins:
        yield Problem(one.file, one.path, shown(one.value), f"'{pins}', the known_hosts_file of policy/estate.yml")


def _each_host_once(inventory: Inventory, estate: Draft[Estate]) -> Iterator[Problem]:
    """A host under two names would be locked, drilled and destroyed as if it were two."""
    drill = [name for name in sequence(mapping(estate.content, "drill"), "hosts") if isinstance(name, str)]
    first: dict[tuple[str, object], str] = {}
    for host in inventory.hosts.values():
        place = (host.address, host.variables.get("ansible_port", 22))
        same = [first.setdefault(place, host.name)] if isinstance(place[1], int) else []
        if host.name in drill:
            same += [other.name for other in inventory.hosts.values() if other.address == host.address]
        twin = next((name for name in same if name != host.name), None)
        if twin is not None:
            yield Problem("hosts.yml", host.name, f"the address {host.address}, which is {twin}'s", "each host once")
