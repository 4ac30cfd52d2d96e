"""Hands each timer the Vault login that it runs with: an AppRole of its own, in a file on tmpfs and nowhere else."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yunwei.errors import UsageError, VaultTokenError
from yunwei.policy import Policy
from yunwei.vault import VaultClient
from yunwei.vault_login import Credentials, is_in_memory
from yunwei.work.timers import login_name, scheduled, settings


@dataclass(frozen=True)
class HandedOut:
    """One timer's login file, and whether it was `made`, `replaced` or `kept`."""

    role: str
    path: Path
    status: str


def wanted(policy: Policy) -> list[str]:
    """Return the AppRole of every timer of the policy."""
    return [login_name(job, system.id) for system in policy.systems.values() for job in scheduled(policy, system)]


def hand_out(policy: Policy, vault: VaultClient, *, renew: bool) -> Iterator[HandedOut]:
    """Yield the login of each timer once it is there; one that is there already is kept unless `renew` replaces it.

    A replaced login ends: Vault forgets it.

    Raises:
        UsageError: policy has no timers, or its account does not exist here.
        VaultTokenError: the folder is missing, on a disk or somebody else's; a file in it is not safe.
        VaultError: as named.
    """
    timers = settings(policy)
    folder, owner = Path(timers.logins), _account(timers.user)
    _demand_safe(folder, owner)
    for role in wanted(policy):
        path = folder / f"{role}.json"
        before = _held(path)
        if before is not None and not renew:
            yield HandedOut(role, path, "kept")
            continue
        _write(path, vault.new_approle_login(role), owner)
        if before is not None:
            vault.end_approle_login(role, before)
        yield HandedOut(role, path, "made" if before is None else "replaced")


def _account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise UsageError(f"there is no account {name} here: run this on a controller, or correct timers.user") from None


def _demand_safe(folder: Path, owner: pwd.struct_passwd) -> None:
    if os.geteuid() not in (0, owner.pw_uid):
        raise UsageError(f"logins of timers belong to {owner.pw_name}: run this as {owner.pw_name} or root")
    try:
        found = os.stat(folder, follow_symlinks=False)
    except OSError as error:
        raise VaultTokenError(
            f"the folder of logins {folder} cannot be used: {error.strerror}. `yunwei run set-timers` makes it."
        ) from None
    if not is_in_memory(found.st_dev):
        raise VaultTokenError(f"{folder} is on a disk; a login may only lie on tmpfs. Correct timers.logins in policy.")
    if found.st_uid != owner.pw_uid or found.st_mode & 0o077:
        raise VaultTokenError(
            f"{folder} is not {owner.pw_name}'s alone. Run `yunwei run set-timers`, or: "
            f"chown {owner.pw_name} {folder}; chmod 700 {folder}"
        )


def _held(path: Path) -> str | None:
    """Return the secret id in a login file, None where there is no file or nothing whole in it."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["secret_id"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _write(path: Path, login: Credentials, owner: pwd.struct_passwd) -> None:
    """Put a login in its place, whole or not at all, readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=".login-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchown(descriptor, owner.pw_uid, owner.pw_gid)
            json.dump({"method": login.method, **login.values}, stream)
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
