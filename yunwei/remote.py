"""Words to an account behind a forced command, where we have no shell and run no Python: the only user of fabric."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from yunwei.errors import CouldNotJudgeError

_BLOCK = 1 << 15
_MOST_WORDS = 2000


class RemoteError(CouldNotJudgeError):
    """The host could not be reached, is not the one whose key is pinned, or did not answer as it must."""


@dataclass(frozen=True)
class Endpoint:
    """Where to connect, as whom, with which key (its text, never a file), and the lines that pin the host's key.

    With a password no key is used.
    """

    address: str
    user: str
    private_key: str = field(repr=False)
    host_keys: Sequence[str]
    port: int = 22
    timeout_seconds: int = 10
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"


@contextmanager
def connect(endpoint: Endpoint) -> Iterator[Any]:
    """Yield an open fabric connection to a host whose key is pinned; any other key is refused.

    Raises `RemoteError` where the host does not answer, refuses the login or shows another key.
    """
    import fabric  # noqa: PLC0415 - slow to import
    import paramiko  # noqa: PLC0415

    proof = {"pkey": _key(endpoint)} if endpoint.password is None else {"password": endpoint.password}
    options = {**proof, "look_for_keys": False, "allow_agent": False}
    config = fabric.Config(overrides={"load_ssh_configs": False, "run": {"in_stream": False, "hide": True}})
    connection = fabric.Connection(
        endpoint.address,
        user=endpoint.user,
        port=endpoint.port,
        config=config,
        connect_timeout=endpoint.timeout_seconds,
        connect_kwargs=options,
    )
    # fabric accepts and remembers unknown keys unless its client is told otherwise.
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    name = endpoint.address if endpoint.port == 22 else f"[{endpoint.address}]:{endpoint.port}"
    for kind, key in _pins(endpoint.host_keys):
        # A pin that cannot be read pins nothing: the host is then refused.
        with suppress(ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
            connection.client.get_host_keys().add(
                name, kind, paramiko.PKey.from_type_string(kind, base64.b64decode(key))
            )
    try:
        connection.open()
        yield connection
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise RemoteError(f"{endpoint}: {error or type(error).__name__}") from error
    finally:
        connection.close()


def ask(connection: Any, words: str, most_bytes: int, most_seconds: float) -> bytes:
    """Say `words` to the forced command and return its whole answer.

    Raises `RemoteError` where it ends with a fault, or is longer or slower than allowed.
    """
    until = time.monotonic() + most_seconds
    _stdin, stdout, stderr = connection.client.exec_command(words, timeout=most_seconds)
    stdout.channel.shutdown_write()
    answer = bytearray()
    while block := stdout.channel.recv(_BLOCK):
        answer += block
        if len(answer) > most_bytes or time.monotonic() > until:
            raise RemoteError(f"the answer to `{words}` is longer than {most_bytes} bytes or {most_seconds:.0f} s")
    if not stdout.channel.status_event.wait(max(0.0, until - time.monotonic())):
        raise RemoteError(f"the answer to `{words}` has no end after {most_seconds:.0f} s")
    if stdout.channel.exit_status != 0:
        said = stderr.read(_MOST_WORDS).decode("utf-8", "replace").strip()
        raise RemoteError(f"`{words}` was refused: {said or 'it said nothing'}")
    return bytes(answer)


def become_root(connection: Any, password: str, most_seconds: float) -> None:
    """Have sudo ask for the password, whatever it remembers, and type it.

    Raises `RemoteError` where sudo refuses, or is slower than allowed.
    """
    # With a terminal: EL 6 and 7 let nobody use sudo without.
    stdin, stdout, _stderr = connection.client.exec_command("sudo -k -S -p '' true", timeout=most_seconds, get_pty=True)
    stdin.write(f"{password}\n")
    stdin.flush()
    if not stdout.channel.status_event.wait(most_seconds):
        raise RemoteError(f"sudo gives no answer within {most_seconds:.0f} s")
    if stdout.channel.exit_status != 0:
        raise RemoteError("the login by password works, but sudo refuses the account or its password")


def _pins(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield type and content (base64) of each pinned key that no line revokes."""
    words = [line.split() for line in lines]
    revoked = {one[3] for one in words if one[0] == "@revoked"}
    for one in words:
        if not one[0].startswith("@") and one[2] not in revoked:
            yield one[1], one[2]


def _key(endpoint: Endpoint) -> Any:
    """Return the private key, whatever its kind."""
    import paramiko  # noqa: PLC0415 - slow to import

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(endpoint.private_key))
        except (paramiko.SSHException, ValueError):
            continue
    raise RemoteError(f"{endpoint}: its private key cannot be read as Ed25519, ECDSA or RSA: look into Vault")
