"""What a forced command may answer, over a real SSH connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forced_ssh import ForcedSsh
from yunwei import remote
from yunwei.lab import keys

PRIVATE, PUBLIC = keys.generate("reader")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ForcedSsh]:
    folder = tmp_path / "reader" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "authorized_keys").write_text(f'restrict,command="GATE" {PUBLIC}', encoding="utf-8")
    found = ForcedSsh(tmp_path, "GATE", "/bin/false")
    yield found
    found.close()


def endpoint(server: ForcedSsh, user: str = "reader") -> remote.Endpoint:
    return remote.Endpoint("127.0.0.1", user, PRIVATE, [server.pin], server.port)


def test_the_whole_answer_is_returned(server: ForcedSsh):
    server.program = "/usr/bin/env"
    with remote.connect(endpoint(server)) as connection:
        assert b"SSH_ORIGINAL_COMMAND=tell me\n" in remote.ask(connection, "tell me", 10_000, 60)


def test_an_answer_that_does_not_come_is_not_waited_for(server: ForcedSsh, tmp_path: Path):
    pipe = tmp_path / "pipe"
    import os

    os.mkfifo(pipe)
    server.program = f"/bin/cat {pipe}"
    try:
        with pytest.raises(remote.RemoteError, match="reader@"), remote.connect(endpoint(server)) as connection:
            remote.ask(connection, "tell me", 10_000, 0.2)
    finally:
        pipe.write_bytes(b"")  # lets the command end


def test_another_account_is_refused(server: ForcedSsh):
    with (
        pytest.raises(remote.RemoteError, match="stranger@"),
        remote.connect(endpoint(server, "stranger")),
    ):
        pass


def test_a_key_that_is_none_is_named_without_its_text(server: ForcedSsh):
    bad = remote.Endpoint("127.0.0.1", "reader", "no key at all", [server.pin], server.port)
    with pytest.raises(remote.RemoteError, match="look into Vault") as raised, remote.connect(bad):
        pass
    assert "no key at all" not in str(raised.value)
    assert "no key at all" not in repr(bad)
