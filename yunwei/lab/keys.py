"""SSH keys of the lab's people, the pinned host keys, and an ssh configuration that uses them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yunwei.lab import memory
from yunwei.lab.topology import Host, Slot

_CONFIG = """\
# For people: ssh -F {config} {example}
Host {name}
    HostName {address}
    User {user}
    IdentityFile {key}
    UserKnownHostsFile {known_hosts}
"""
_CONFIG_ALL = """\
Host *
    StrictHostKeyChecking yes
    IdentitiesOnly yes
    GlobalKnownHostsFile /dev/null
"""


def generate(comment: str) -> tuple[str, str]:
    """Return a new Ed25519 key as (private key in OpenSSH's form, public line), made in memory only."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode("ascii"), f"{public.decode('ascii')} {comment}\n"


def ensure(slot: Slot) -> None:
    """Make the key of `ops` and that of the second site's administrator, where they are missing."""
    folder = memory.ensure_folder(slot)
    for path, comment in ((ops_key(slot), "ops"), (miyun_admin_key(slot), "miyunadmin")):
        if not (path.is_file() and _public(path).is_file()):
            private, public = generate(f"{comment}@yunwei-{slot.name}")
            memory.write(_public(path), public, 0o644)
            memory.write(path, private)
    for name in ("ssh", "miyun-admin", "logins", "vault", "public"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)


def ops_key(slot: Slot) -> Path:
    """Path of the private key of `ops`, the controller's account on every host but miyun1."""
    return slot.secrets_dir / "ssh" / "ops_key"


def miyun_admin_key(slot: Slot) -> Path:
    """Path of the private key of the second site's administrator: no part of yunwei but the lab reads it."""
    return slot.secrets_dir / "miyun-admin" / "key"


def admin_key(host: Host) -> Path:
    """Return the path of the private key that may log in on a host with sudo."""
    slot = Slot(host.slot)
    return miyun_admin_key(slot) if host.name == "miyun1" else ops_key(slot)


def public_line(private_key: Path) -> str:
    """Return the public line of a key of `ensure`."""
    return _public(private_key).read_text(encoding="utf-8").strip()


def known_hosts(slot: Slot) -> Path:
    """Path of the pinned host keys."""
    return slot.secrets_dir / "ssh" / "known_hosts"


def pin(slot: Slot, host_keys: dict[str, str]) -> None:
    """Write the pinned host keys.

    host_keys: by host name, the public key as "type base64", read on the host itself and never over the network.
    """
    lines = [f"{slot.host(name).address} {key}\n" for name, key in sorted(host_keys.items())]
    memory.write(known_hosts(slot), "".join(lines))


def forget_connections(host: Host) -> None:
    """End Ansible's kept connections to a host that was made anew: they lead nowhere and would fail the next play."""
    folder = Path(os.environ.get("ANSIBLE_HOME", "~/.ansible")).expanduser() / "cp"
    for path in folder.glob(f"{host.address}-*"):
        command = ["ssh", "-F", "/dev/null", "-O", "exit", "-o", f"ControlPath={path}", host.address]
        subprocess.run(command, capture_output=True, timeout=20, check=False)
        path.unlink(missing_ok=True)


def write_ssh_config(slot: Slot) -> Path:
    """Write the ssh configuration for people and return its path."""
    path = slot.secrets_dir / "ssh" / "config"
    blocks = [
        _CONFIG.format(
            config=path,
            example=host.name,
            name=host.name,
            address=host.address,
            user=host.admin,
            key=admin_key(host),
            known_hosts=known_hosts(slot),
        )
        for host in slot.hosts
    ]
    memory.write(path, "\n".join([*blocks, _CONFIG_ALL]))
    return path


def _public(private_key: Path) -> Path:
    return private_key.with_name(private_key.name + ".pub")
