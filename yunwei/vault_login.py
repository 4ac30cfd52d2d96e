"""What a run logs in to Vault with: a file on tmpfs, a token handed over by the wrapper, or a person at a prompt."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from yunwei.errors import VaultTokenError

# What each way of logging in needs to know; all values are strings.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "userpass": ("username", "password"),
    "approle": ("role_id", "secret_id"),
    "token": ("token",),
}
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


class LoginSettings(Protocol):
    """The part of the policy that says how to log in."""

    @property
    def method(self) -> str:
        """Return `userpass` or `approle`."""

    @property
    def credentials_file(self) -> Any:
        """Return the absolute path of the credentials file."""


@dataclass(frozen=True)
class Credentials:
    """How to log in; the values never show in a representation or a traceback."""

    method: str
    values: Mapping[str, str] = field(repr=False)


def find_credentials(settings: LoginSettings, environ: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials of this run: from the file, or from a person where there is no file but a terminal.

    Args:
        settings: the policy's login settings.
        environ: where `YUNWEI_LOGIN_FILE` may name another file.

    Raises:
        VaultTokenError: there is no file and nobody to ask, or the file is not safe or not complete.
    """
    path = Path(environ.get("YUNWEI_LOGIN_FILE") or str(settings.credentials_file))
    if path.exists() or path.is_symlink():
        return read_credentials_file(path)
    if sys.stdin is not None and sys.stdin.isatty():
        return ask_for_credentials()
    raise VaultTokenError(
        f"no login for Vault: {path} does not exist and there is no terminal to ask at. "
        f"Put the credentials there (JSON, mode 0600, on tmpfs), or name another file in YUNWEI_LOGIN_FILE."
    )


def ask_for_credentials() -> Credentials:
    """Ask the person at the terminal for a name and a password."""
    username = input("Vault user name: ").strip()
    return Credentials("userpass", {"username": username, "password": getpass.getpass("Vault password: ")})


def read_credentials_file(path: Path) -> Credentials:
    """Return the credentials in a file that only its owner can read and that is kept in memory, not on a disk.

    A file with a handed-over token is removed once it is read.

    Raises:
        VaultTokenError: the file is open to others, on a disk, not a plain file, or not complete.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise VaultTokenError(f"the login file {path} cannot be opened: {error.strerror}. Repair or name it.") from None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        _require_safe(path, descriptor)
        credentials = _parse(path, stream.read())
    if credentials.method == "token":
        path.unlink(missing_ok=True)
    return credentials


@contextlib.contextmanager
def hand_over(token: str) -> Iterator[Path]:
    """Yield a 0600 file on tmpfs that gives a token to one child process; it is gone when the block ends."""
    descriptor, name = tempfile.mkstemp(prefix="yunwei-login-", dir="/dev/shm")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"method": "token", "token": token}, stream)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _require_safe(path: Path, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise VaultTokenError(f"the login file {path} is not a plain file; a plain file of mode 0600 is allowed.")
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o177:
        raise VaultTokenError(
            f"the login file {path} has mode {stat.S_IMODE(found.st_mode):04o} and owner {found.st_uid}; "
            f"it must be 0600 and yours. Run: chown {os.geteuid()} {path}; chmod 600 {path}"
        )
    kind = filesystem_type(found.st_dev)
    if kind not in _IN_MEMORY:
        raise VaultTokenError(
            f"the login file {path} is on {kind}, which is a disk; a password may only lie on tmpfs. "
            f"Move it below /dev/shm (and erase it here), or log in at a prompt."
        )


def is_in_memory(device: int) -> bool:
    """Tell whether the mounted file system with this device number is kept in memory."""
    return filesystem_type(device) in _IN_MEMORY


def filesystem_type(device: int) -> str:
    """Return the type of the mounted file system with this device number, as the kernel names it."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "an unknown file system"


def _parse(path: Path, text: str) -> Credentials:
    try:
        found = json.loads(text)
        method = found["method"]
        values = {name: found[name] for name in _FIELDS[method]}
    except (ValueError, TypeError, LookupError):
        values, method = {}, ""
    if not values or not all(isinstance(value, str) and value for value in values.values()):
        shapes = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in _FIELDS.items())
        raise VaultTokenError(f"the login file {path} is not complete: JSON with method and its values ({shapes}).")
    return Credentials(method, values)
