"""A real SSH server on a port of its own, whose accounts are forced commands, by lines as in `authorized_keys`."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko

from yunwei.lab import keys


class _Account(paramiko.ServerInterface):
    """One connection: a key opens its own line and nothing else, and the words are handed to the line's command."""

    def __init__(self, find_line: Callable[[str, str], str | None]) -> None:
        self._find_line = find_line
        self._command = ""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        command = self._find_line(username, f"{key.get_name()} {key.get_base64()}")
        self._command = command or ""
        return paramiko.AUTH_SUCCESSFUL if command else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, words: str) -> None:
        done = subprocess.run(
            shlex.split(self._command),
            env={"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": words},
            capture_output=True,
            check=False,
        )
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):  # a caller that had enough is gone
            channel.sendall(done.stdout)
            channel.sendall_stderr(done.stderr)
            channel.send_exit_status(done.returncode)
            channel.close()


class ForcedSsh:
    """Serves until it is closed. `lines` is the folder with one `<account>` file of authorized_keys lines each.

    `program` stands for the program that the lines name: the gate, or what a test puts in its place.
    """

    def __init__(self, lines: Path, named: str, program: str) -> None:
        self._lines, self._named, self.program = lines, named, program
        private, public = keys.generate("host")
        self._key = paramiko.Ed25519Key(file_obj=io.StringIO(private))
        self.host_key = " ".join(public.split()[:2])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._transports: list[paramiko.Transport] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def pin(self) -> str:
        """Return the line of a known_hosts file."""
        return f"[127.0.0.1]:{self.port} {self.host_key}"

    def close(self) -> None:
        """End the server and every connection."""
        with contextlib.suppress(OSError):  # a second close is none
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._socket.close()
        for transport in self._transports:
            transport.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._key)
            self._transports.append(transport)
            try:
                transport.start_server(event=threading.Event(), server=_Account(self._find))
            except paramiko.SSHException:
                continue

    def _find(self, account: str, key: str) -> str | None:
        path = self._lines / account / ".ssh" / "authorized_keys"
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            if key in line and 'command="' in line:
                return line.split('command="')[1].split('"')[0].replace(self._named, self.program)
        return None
