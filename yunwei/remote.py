"""Commands on appliances and hosts where no Python can run: the only user of fabric."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yunwei.errors import CouldNotJudgeError


class RemoteError(CouldNotJudgeError):
    """The host could not be reached, or is not the one whose key is pinned."""


@dataclass(frozen=True)
class Endpoint:
    """Where to connect, as whom, with which key, and the file that pins the host's key."""

    address: str
    user: str
    key_file: Path
    known_hosts: Path
    port: int = 22
    timeout_seconds: int = 10


@contextmanager
def connect(endpoint: Endpoint) -> Iterator[Any]:
    """Yield an open fabric connection to a host whose key is pinned; any other key is refused.

    Raises `RemoteError` where the host does not answer, refuses the login or shows another key.
    """
    import fabric  # noqa: PLC0415 - slow to import
    import paramiko  # noqa: PLC0415

    options = {"key_filename": str(endpoint.key_file), "look_for_keys": False, "allow_agent": False}
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
    connection.client.load_host_keys(str(endpoint.known_hosts))
    try:
        connection.open()
        yield connection
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise RemoteError(
            f"{endpoint.user}@{endpoint.address}:{endpoint.port}: {error or type(error).__name__}"
        ) from error
    finally:
        connection.close()
