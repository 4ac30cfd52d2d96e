"""What the lab's Vault holds: engines, policies, identities, and every secret that the lab's systems need."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yunwei import vault_policies
from yunwei.lab import keys, memory, vaultserver
from yunwei.lab.topology import SYSTEMS, Slot
from yunwei.lab.vaultapi import VaultAnswerError, VaultApi

MOUNT = "yunwei"
TRANSIT_KEY = "ledger"
PERSON = "engineer"
# A killed run cannot revoke its token: this is how long it lives on at most without being renewed, and with it.
_TOKEN = {"token_ttl": "2h", "token_max_ttl": "12h"}
_PASSWORDS = ("repository-local", "repository-miyun")
_KEYS = ("local-read", "miyun-append", "miyun-read")


def wanted_secrets() -> dict[str, str]:
    """Return path below the mount -> kind (`password`, `typed` or `key`) of every secret of the lab."""
    wanted = {}
    for system, hosts in SYSTEMS.items():
        wanted.update({f"systems/{system}/{name}": "password" for name in _PASSWORDS})
        wanted.update({f"systems/{system}/{name}": "key" for name in _KEYS})
        wanted[f"systems/{system}/login-probe"] = "typed"
        wanted.update({f"systems/{system}/source-{host}": "key" for host in hosts})
    return wanted


def wanted_policies() -> dict[str, str]:
    """Return the name and text of every policy: one for each job and system."""
    return vault_policies.identity_policies(vault_policies.JOBS, SYSTEMS, mount=MOUNT, transit_key=TRANSIT_KEY)


def ensure(slot: Slot, root_token: str | None) -> bool:
    """Fill Vault where it is not filled as it should be; tell whether anything had to be done.

    root_token: of a Vault made just now; otherwise one is generated when needed. It is revoked at the end.
    Secrets that exist are kept. Raises LabError.
    """
    if root_token is None and _is_done(slot):
        return False
    with _administrator(slot, root_token) as vault:
        _enable_engines(vault)
        _write_policies(vault)
        _write_identities(slot, vault)
        _write_secrets(slot, vault)
    memory.write(vaultserver.filled_mark(slot), _digest())
    return True


@contextlib.contextmanager
def _administrator(slot: Slot, root_token: str | None) -> Iterator[VaultApi]:
    """Lend the root token and revoke it afterwards, also after a failure."""
    token = root_token or vaultserver.generate_root(slot)
    vault = vaultserver.api(slot).with_token(token)
    try:
        yield vault
    finally:
        vault.call("POST", "auth/token/revoke-self")


def _enable_engines(vault: VaultApi) -> None:
    mounted = vault.call("GET", "sys/mounts")["data"]
    if f"{MOUNT}/" not in mounted:
        vault.call("POST", f"sys/mounts/{MOUNT}", {"type": "kv", "options": {"version": "2"}})
    if "transit/" not in mounted:
        vault.call("POST", "sys/mounts/transit", {"type": "transit"})
    if vault.find(f"transit/keys/{TRANSIT_KEY}") is None:
        vault.call("POST", f"transit/keys/{TRANSIT_KEY}", {"type": "ed25519"})
    methods = vault.call("GET", "sys/auth")["data"]
    for method in ("userpass", "approle"):
        if f"{method}/" not in methods:
            vault.call("POST", f"sys/auth/{method}", {"type": method})


def _write_policies(vault: VaultApi) -> None:
    for name, text in wanted_policies().items():
        vault.call("PUT", f"sys/policies/acl/{name}", {"policy": text})


def _write_identities(slot: Slot, vault: VaultApi) -> None:
    _write_person(slot, vault)
    for name in wanted_policies():
        _write_role(slot, vault, name)


def _write_person(slot: Slot, vault: VaultApi) -> None:
    """Let the lab's one engineer do every job of every system of the lab."""
    path = slot.secrets_dir / "logins" / f"{PERSON}.json"
    password = json.loads(path.read_text(encoding="utf-8"))["password"] if path.is_file() else secrets.token_urlsafe(24)
    user = {"password": password, "token_policies": ",".join(wanted_policies()), **_TOKEN}
    vault.call("POST", f"auth/userpass/users/{PERSON}", user)
    memory.write(path, json.dumps({"method": "userpass", "username": PERSON, "password": password}))


def _write_role(slot: Slot, vault: VaultApi, name: str) -> None:
    """Make the AppRole of one job and system, and its login file unless there is one."""
    role = f"auth/approle/role/{name}"
    vault.call("POST", role, {"token_policies": name, **_TOKEN})
    path = slot.secrets_dir / "logins" / f"{name}.json"
    if not path.is_file():
        role_id = vault.call("GET", f"{role}/role-id")["data"]["role_id"]
        secret_id = vault.call("POST", f"{role}/secret-id", {})["data"]["secret_id"]
        memory.write(path, json.dumps({"method": "approle", "role_id": role_id, "secret_id": secret_id}))


def _write_secrets(slot: Slot, vault: VaultApi) -> None:
    for path, kind in wanted_secrets().items():
        held = _kept_or_new(vault, path, kind)
        _, system, name = path.split("/")
        if kind == "key":
            public = slot.secrets_dir / "public" / system / f"{name}.pub"
            memory.write(public, held["public_key"], 0o644)
        elif name == "repository-miyun":
            memory.write(_handed_over(slot, system), json.dumps(held))


def _handed_over(slot: Slot, system: str) -> Path:
    """Path of what the second site's administrator was handed in a sealed envelope, for that site's own retention."""
    return slot.secrets_dir / "miyun-admin" / f"{system}.retention.json"


def _kept_or_new(vault: VaultApi, path: str, kind: str) -> dict[str, str]:
    """Return the secret at `path`, made and stored only if there was none."""
    found = vault.find(f"{MOUNT}/data/{path}")
    if found is not None:
        return dict(found["data"]["data"])
    made = _new_secret(path, kind)
    _store(vault, f"{MOUNT}/data/{path}", {"data": made, "options": {"cas": 0}})
    return made


def _new_secret(path: str, kind: str) -> dict[str, str]:
    """Return a key pair, or a password with everything in it that a shell, a template or a parser may trip over."""
    if kind == "password":
        first, last = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        return {"password": f"{first}'\"$HOME `id` {{{{ 7 * 7 }}}}\n密云 \\ %s{last}"}
    if kind == "typed":  # one line: people type it
        return {"password": f"{secrets.token_urlsafe(24)}'\"$HOME `id` 密 \\ %s"}
    private, public = keys.generate(path.replace("/", "-"))
    return {"private_key": private, "public_key": public}


def _store(vault: VaultApi, path: str, body: dict[str, Any]) -> None:
    """Write to a KV mount, which for a moment after it was made is still being set up and refuses."""
    for attempt in range(40):
        try:
            vault.call("POST", path, body)
            return
        except VaultAnswerError as error:
            if error.status != 400 or "Upgrading" not in str(error) or attempt == 39:
                raise
            time.sleep(0.1)


def _is_done(slot: Slot) -> bool:
    """Tell whether Vault was filled from this very set-up and its login files are still there."""
    mark = vaultserver.filled_mark(slot)
    if not mark.is_file() or mark.read_text(encoding="utf-8") != _digest():
        return False
    names = [PERSON, *wanted_policies()]
    logins = all((slot.secrets_dir / "logins" / f"{name}.json").is_file() for name in names)
    logins = logins and all(_handed_over(slot, system).is_file() for system in SYSTEMS)
    wanted = [path.split("/")[1:] for path, kind in wanted_secrets().items() if kind == "key"]
    return logins and all((slot.secrets_dir / "public" / a / f"{b}.pub").is_file() for a, b in wanted)


def _digest() -> str:
    text = json.dumps([wanted_policies(), wanted_secrets(), _TOKEN, MOUNT, TRANSIT_KEY], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
