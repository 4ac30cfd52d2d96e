"""Brings the lab's hosts into being, keeps them, and takes them away; touches only names of its own slot."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from yunwei.errors import LabError
from yunwei.lab import engine, images, keys, memory
from yunwei.lab.topology import Host, Network, Slot

Log = Callable[[str], None]

_SSH_WAIT_SECONDS = 60
_REVIVE_SECONDS = 20
_SPEC_LABEL = "org.yunwei.spec"
_GENERATION_LABEL = "org.yunwei.generation"

# The one account with sudo; everything else on the host is made by playbooks.
_ACCOUNT = """
id {user} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {user}
install -d -m 0700 -o {user} -g {user} /home/{user}/.ssh
echo '{public}' > /home/{user}/.ssh/authorized_keys.new
chmod 0600 /home/{user}/.ssh/authorized_keys.new
chown {user}:{user} /home/{user}/.ssh/authorized_keys.new
mv /home/{user}/.ssh/authorized_keys.new /home/{user}/.ssh/authorized_keys
echo '{user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{user}
chmod 0440 /etc/sudoers.d/{user}
"""


@dataclass(frozen=True)
class Existing:
    """What podman knows of a container."""

    name: str
    state: str
    spec: str
    generation: str


@dataclass(frozen=True)
class Change:
    """What has to happen to one host: `create`, `replace`, `start` or `keep`, and why."""

    host: Host
    action: str
    reason: str


def run_arguments(host: Host) -> list[str]:
    """Return podman's arguments for a host, without the labels."""
    arguments = ["--name", host.container, "--hostname", host.name, "--network", host.network, "--ip", host.address]
    arguments += ["--mac-address", host.hardware_address]
    arguments += ["--systemd=always", "--restart=always", "--cap-add", "NET_ADMIN", *engine.ULIMITS]
    arguments += ["--shm-size", "256m"] if host.name == "db1" else []
    for other in Slot(host.slot).hosts:
        if other.name != host.name:
            arguments += ["--add-host", f"{other.name}:{other.address}"]
    return [*arguments, images.RECIPES[host.image].reference]


def spec_of(host: Host) -> str:
    """Return a digest of how a host is made: a container with another one is made anew."""
    return hashlib.sha256(json.dumps(run_arguments(host)).encode("utf-8")).hexdigest()[:16]


def plan(slot: Slot, existing: Iterable[Existing], generation: str) -> list[Change]:
    """Decide for every host of the slot what has to happen to it."""
    found = {container.name: container for container in existing}
    return [_plan_host(host, found.get(host.container), generation) for host in slot.hosts]


def _plan_host(host: Host, found: Existing | None, generation: str) -> Change:
    if found is None:
        return Change(host, "create", "absent")
    if found.generation != generation:
        return Change(host, "replace", "belongs to secrets that are gone")
    if found.spec != spec_of(host):
        return Change(host, "replace", "made from an older recipe")
    if found.state == "running":
        return Change(host, "keep", "running")
    return Change(host, "start", f"is {found.state}")


def read_existing(slot: Slot) -> list[Existing]:
    """Return the slot's containers as podman knows them, also those of hosts that the lab no longer has."""
    found = engine.podman_json("ps", "--all", "--format", "json", "--filter", f"name=^{slot.prefix}")
    return [_existing(entry) for entry in found]


def _existing(entry: dict[str, Any]) -> Existing:
    labels = entry.get("Labels") or {}
    return Existing(
        name=entry["Names"][0],
        state=str(entry["State"]).lower(),
        spec=labels.get(_SPEC_LABEL, ""),
        generation=labels.get(_GENERATION_LABEL, ""),
    )


def ensure(slot: Slot) -> list[Change]:
    """Bring every host of the slot up with sshd answering and its key pinned; return what was done. Raises LabError."""
    generation = memory.generation(slot)
    existing = read_existing(slot)
    wanted = {host.container for host in slot.hosts}
    _remove([container.name for container in existing if container.name not in wanted])
    _ensure_networks(slot)
    changes = plan(slot, existing, generation)
    with ThreadPoolExecutor(max_workers=len(changes)) as pool:
        host_keys = dict(pool.map(lambda change: (change.host.name, _carry_out(change, generation)), changes))
    keys.pin(slot, host_keys)
    keys.write_ssh_config(slot)
    return changes


def reset(slot: Slot, name: str) -> None:
    """Remove one host, so that the next `ensure` makes it anew with another host key; UsageError when unknown."""
    _remove([slot.host(name).container])


def stop(slot: Slot, name: str) -> None:
    """Switch one host off; it stays off until `ensure` or `start`."""
    engine.podman("stop", "--time", "5", slot.host(name).container)


def start(slot: Slot, name: str) -> None:
    """Switch one host on again and wait until sshd answers."""
    host = slot.host(name)
    engine.podman("start", host.container)
    _wait_for_ssh(host, _SSH_WAIT_SECONDS)


def remove_all(slot: Slot) -> list[str]:
    """Remove every container and network of the slot; return their names."""
    containers = [container.name for container in read_existing(slot)]
    _remove(containers)
    networks = [entry["name"] for entry in _networks(slot)]
    for name in networks:
        engine.podman("network", "rm", "--force", name)
    return containers + networks


def _remove(containers: Iterable[str]) -> None:
    for name in containers:
        engine.podman("rm", "--force", "--time", "0", "--volumes", "--ignore", name)


def _networks(slot: Slot) -> list[dict[str, Any]]:
    found = engine.podman_json("network", "ls", "--format", "json")
    return [entry for entry in found if entry["name"].startswith(slot.prefix)]


def _ensure_networks(slot: Slot) -> None:
    found = {entry["name"]: entry for entry in _networks(slot)}
    wanted = {network.name for network in slot.networks}
    for name in sorted(set(found) - wanted):
        engine.podman("network", "rm", "--force", name)
    for network in slot.networks:
        entry = found.get(network.name)
        if entry is not None and not _same(network, entry):
            engine.podman("network", "rm", "--force", network.name)
            entry = None
        if entry is None:
            _create_network(network)


def _same(network: Network, entry: dict[str, Any]) -> bool:
    isolated = (entry.get("options") or {}).get("isolate") == "true"
    subnets = [subnet["subnet"] for subnet in entry.get("subnets") or []]
    return subnets == [network.subnet] and isolated == network.isolated


def _create_network(network: Network) -> None:
    options = ["--opt", "isolate=true"] if network.isolated else []
    # Names come from /etc/hosts: podman's own name server is one more process that a kill can leave broken.
    engine.podman("network", "create", "--disable-dns", "--subnet", network.subnet, *options, network.name)


def _carry_out(change: Change, generation: str) -> str:
    """Do what was planned for one host and return its host key as "type base64"."""
    host = change.host
    if not (change.action in ("keep", "start") and _revive(change)):
        _remove([host.container])
        keys.forget_connections(host)
        labels = ["--label", f"{_SPEC_LABEL}={spec_of(host)}", "--label", f"{_GENERATION_LABEL}={generation}"]
        engine.podman("run", "--detach", *labels, *run_arguments(host))
        _wait_for_ssh(host, _SSH_WAIT_SECONDS)
    engine.run_script(host.container, _ACCOUNT.format(user=host.admin, public=keys.public_line(keys.admin_key(host))))
    return read_host_key(host)


def _revive(change: Change) -> bool:
    """Tell whether an existing host answers, started if need be: after a kill podman's view of it can be stale."""
    host = change.host
    if change.action == "start" and engine.podman("start", host.container, check=False).returncode != 0:
        return False
    try:
        _wait_for_ssh(host, _REVIVE_SECONDS)
    except LabError:
        return False
    return True


def read_host_key(host: Host) -> str:
    """Read a host's public key inside the host, not over the network; returns "type base64"."""
    line = engine.execute(host.container, ["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).decode("ascii")
    return " ".join(line.split()[:2])


def _wait_for_ssh(host: Host, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ssh_answers(host):
            return
        time.sleep(0.1)
    raise LabError(
        f"{host.container} did not answer on {host.address}:22 within {seconds:.0f} s. "
        f"Look with `podman logs {host.container}`, then try `yunwei lab reset {host.name}`."
    )


def ssh_answers(host: Host) -> bool:
    """Tell whether sshd greets on the host's address."""
    try:
        with socket.create_connection((host.address, 22), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
