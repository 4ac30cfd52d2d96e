"""Runs the playbooks that make the lab's hosts ready: the second site's administrator's own, and the controller's."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from yunwei import policy
from yunwei.errors import LabError
from yunwei.lab import engine, inventory, memory
from yunwei.lab.topology import Slot
from yunwei.paths import content_root
from yunwei.work.watch import watch_rules

_PACKAGE = Path(__file__).resolve().parent.parent
# What decides how the hosts are prepared: the content that Ansible reads, and the parts of the package it calls.
_CONTENT = ("playbooks", "roles", "library", "module_utils", "plugins")
_CODE = ("source", "policy", "work")
# Which hosts each playbook works on: one of the others that is made anew does not concern it.
_HOSTS = {"prepare_miyun": {"miyun1"}, "prepare_hosts": {"app1", "db1", "legacy1", "backup1"}}


def prepare_miyun(slot: Slot) -> str:
    """Set the second site up as its administrator does; return `done`, or `unchanged` when nothing differs."""
    rules = watch_rules(policy.load(inventory.hosts_dir(slot)))
    memory.write(slot.secrets_dir / "public" / "watch.json", json.dumps(rules, ensure_ascii=False), 0o644)
    return _ensure(slot, "prepare_miyun", inventory.miyun_admin_dir(slot))


def prepare_hosts(slot: Slot) -> str:
    """Set up the sources and the backup server; return `done`, or `unchanged` when nothing differs."""
    return _ensure(slot, "prepare_hosts", inventory.hosts_dir(slot))


def _ensure(slot: Slot, name: str, hosts: Path) -> str:
    playbook = content_root() / "playbooks" / f"{name}.yml"
    if not playbook.is_file():
        return "there is no such playbook"
    mark = slot.state_dir / f"prepared-{name}"
    wanted = _digest(slot, name, hosts)
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return "unchanged"
    mark.unlink(missing_ok=True)
    _run(slot, playbook, hosts)
    memory.write(mark, wanted)
    return "done"


def _run(slot: Slot, playbook: Path, hosts: Path) -> None:
    log = slot.state_dir / f"{playbook.stem}.log"
    # A login or run that the caller set for a command of his is not the lab's.
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("YUNWEI_LOGIN_FILE", "YUNWEI_RUN_ID")
    }
    environment = {**inherited, "ANSIBLE_CONFIG": str(content_root() / "ansible.cfg"), "YUNWEI_LAB_SLOT": slot.name}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(hosts / "hosts.yml"), str(playbook)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        done = subprocess.run(
            command,
            cwd=content_root(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
        raise LabError(f"{playbook.name} ended with {done.returncode}; the whole log is {log}. Its end:\n{tail}")


def _digest(slot: Slot, name: str, hosts: Path) -> str:
    """Return a digest of all that a playbook depends on: code, inventory, public keys, its hosts' very containers."""
    total = hashlib.sha256()
    folders = [content_root() / name for name in _CONTENT] + [_PACKAGE / name for name in _CODE]
    folders += [hosts, slot.secrets_dir / "public"]
    for path in _files(folders):
        total.update(f"{path}\0".encode("utf-8", "surrogateescape") + hashlib.sha256(path.read_bytes()).digest())
    containers = engine.podman("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}}").stdout.decode("utf-8")
    prepared = {slot.host(host).container for host in _HOSTS[name]}
    total.update("\n".join(sorted(line for line in containers.splitlines() if line.split()[-1] in prepared)).encode())
    return total.hexdigest()


def _files(folders: Iterable[Path]) -> list[Path]:
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"]
    return sorted(path for path in found if not {"__pycache__", "verify"} & set(path.parts))
