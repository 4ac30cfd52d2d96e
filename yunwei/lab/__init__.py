"""The embedded lab: real hosts in containers and a real Vault, made, kept and removed by name."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from yunwei.lab import hosts, images, inventory, keys, memory, preparing, seeding, tools, vaultserver, vaultsetup
from yunwei.lab.topology import Host, Slot
from yunwei.paths import state_dir

Log = Callable[[str], None]

__all__ = ["down", "reset", "status", "up"]


def up(slot: str, log: Log) -> None:
    """Make the lab, or whatever of it is missing: the same call after a kill or a change makes it whole again.

    slot: `demo` or `check`. log: called with one line for each step, which names what was done and its seconds.
    Raises LabError, or UsageError for an unknown slot.
    """
    _up(Slot(slot), log)


def down(slot: str) -> None:
    """Remove the lab with its hosts, networks, Vault and secrets; images stay. Raises LabError."""
    chosen = Slot(slot)
    with _only_one(chosen, _silent):
        hosts.remove_all(chosen)
        vaultserver.destroy(chosen)
        memory.remove(chosen)
        shutil.rmtree(chosen.state_dir, ignore_errors=True)


def reset(slot: str, host: str | None, log: Log | None = None) -> None:
    """Make one host anew, empty and with another host key, or every host when none is named; Vault is kept.

    Raises UsageError for an unknown host, LabError.
    """
    chosen = Slot(slot)
    for name in [chosen.host(host).name] if host else [each.name for each in chosen.hosts]:
        hosts.reset(chosen, name)
    _up(chosen, log or _silent)


def status(slot: str) -> dict[str, Any]:
    """Return what of the lab is there.

    {"slot", "complete": bool, "parts": [{"name", "state", "address"}]}; a host's state is `running`, `absent`,
    `no answer` (sshd does not greet) or podman's own word, Vault's `open`, `sealed`, `stopped` or `absent`.
    """
    chosen = Slot(slot)
    found = {container.name: container.state for container in hosts.read_existing(chosen)}
    parts = [_host_part(host, found.get(host.container, "absent")) for host in chosen.hosts]
    parts.append({"name": "vault", "state": vaultserver.status(chosen), "address": chosen.vault_address})
    complete = all(part["state"] in ("running", "open") for part in parts)
    return {"slot": slot, "complete": complete, "parts": parts}


def _host_part(host: Host, state: str) -> dict[str, str]:
    if state == "running" and not hosts.ssh_answers(host):
        state = "no answer"
    return {"name": host.name, "state": state, "address": host.address}


def _up(slot: Slot, log: Log) -> None:
    tools.require()
    with _only_one(slot, log):
        vaultserver.discard_unusable(slot)
        keys.ensure(slot)
        with ThreadPoolExecutor(max_workers=2) as pool:
            vault = pool.submit(_step, log, "vault", lambda: _vault(slot))
            _step(log, "images", lambda: _named(images.ensure(log), "made", "all there"))
            _step(log, "hosts", lambda: _hosts(slot))
            vault.result()
            inventory.ensure(slot)
            # Accounts and data do not touch each other: databases fill while the playbooks run.
            data = pool.submit(_step, log, "data", lambda: _named(seeding.ensure(slot), "seeded", "all there"))
            _step(log, "second site", lambda: preparing.prepare_miyun(slot))
            _step(log, "sources and backup server", lambda: preparing.prepare_hosts(slot))
            data.result()
        _step(log, "application", lambda: _ready(slot))


def _step(log: Log, name: str, work: Callable[[], str]) -> None:
    started = time.monotonic()
    outcome = work()
    log(f"lab: {name}: {outcome} ({time.monotonic() - started:.1f} s)")


def _vault(slot: Slot) -> str:
    token = vaultserver.ensure(slot)
    filled = vaultsetup.ensure(slot, token)
    return f"{'filled, ' if filled else ''}open at {slot.vault_address}"


def _hosts(slot: Slot) -> str:
    changes = [change for change in hosts.ensure(slot) if change.action != "keep"]
    return _named([f"{change.host.name} ({change.reason})" for change in changes], "made or started", "all running")


def _ready(slot: Slot) -> str:
    seeding.wait_until_ready(slot)
    return "answers"


def _named(names: list[str], did: str, nothing: str) -> str:
    return f"{did} {', '.join(names)}" if names else nothing


@contextlib.contextmanager
def _only_one(slot: Slot, log: Log) -> Iterator[None]:
    """Hold the slot's lock: two starts at once would undo each other's work."""
    folder = state_dir() / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{slot.name}.lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"lab: another command works on slot {slot.name}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _silent(_line: str) -> None:
    """Log nothing."""
