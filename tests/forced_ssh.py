"""A real SSH server on a port of its own, whose accounts are forced commands, by lines as in `authorized_keys`.

Its line can be cut: then nothing passes in either direction, and nobody is told.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import paramiko

from yunwei.lab import keys


class Line:
    """What lies between callers and the server; cut, it holds back every byte."""

    def __init__(self) -> None:
        self._whole = threading.Event()
        self._whole.set()
        self._waiting: list[Callable[[str, int], bool]] = []
        self._seconds: float | None = None
        self.cuts = 0
        self.on_cut: Callable[[], None] | None = None

    def cut_at_each(self, moments: Iterable[Callable[[str, int], bool]], seconds: float | None = None) -> None:
        """Cut once at each of `moments`, in whatever order they come, for `seconds`; None: until `mend`.

        A moment is told the words that a connection asked with and how many bytes have passed on it.
        """
        self._waiting, self._seconds, self.cuts = list(moments), seconds, 0

    def mend(self) -> None:
        """Let everything pass again."""
        self._waiting = []
        self._whole.set()

    def join(self, outer: socket.socket, near: socket.socket, connection: _Connection) -> None:
        """Carry bytes both ways until an end closes."""
        with outer, near:
            back = threading.Thread(target=self._carry, args=(near, outer, connection), daemon=True)
            back.start()
            self._carry(outer, near, connection)
            back.join()

    def _carry(self, source: socket.socket, target: socket.socket, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(32768):
                connection.passed += len(piece)
                self._cut_if_it_is_time(connection)
                self._whole.wait()
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut_if_it_is_time(self, connection: _Connection) -> None:
        due = [moment for moment in self._waiting if moment(connection.words, connection.passed)]
        if not due or not self._whole.is_set():
            return
        self._waiting.remove(due[0])
        self.cuts += 1
        if self.on_cut is not None:
            self.on_cut()
            return
        self._whole.clear()
        if self._seconds is not None:
            threading.Timer(self._seconds, self._whole.set).start()


class _Connection:
    """What a connection is about, once it has said so."""

    words = ""
    passed = 0
    child: int | None = None


class _Account(paramiko.ServerInterface):
    """One connection: a key opens its own line and nothing else, and the words are handed to the line's command."""

    def __init__(self, find_line: Callable[[str, str], str | None], connection: _Connection) -> None:
        self._find_line = find_line
        self._connection = connection
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
        self._connection.words = command.decode()
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, words: str) -> None:
        child = subprocess.Popen(
            shlex.split(self._command),
            env={"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": words},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._connection.child = child.pid
        assert child.stdin
        assert child.stdout
        assert child.stderr
        threading.Thread(target=_feed, args=(channel, child.stdin), daemon=True).start()
        said = threading.Thread(target=_pass_on, args=(child.stderr, channel.sendall_stderr), daemon=True)
        said.start()
        _pass_on(child.stdout, channel.sendall)
        said.join()
        status = child.wait()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):  # a caller that had enough is gone
            channel.send_exit_status(status if status >= 0 else 128 - status)  # as a shell tells of a signal
            channel.close()


def _feed(channel: paramiko.Channel, stdin: IO[bytes]) -> None:
    with contextlib.suppress(OSError, EOFError), stdin:
        while piece := channel.recv(32768):
            stdin.write(piece)
            stdin.flush()


def _pass_on(stream: IO[bytes], send: Callable[[bytes], None]) -> None:
    """Send what a program says; where the caller is gone, let the program find its pipe closed."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException), stream:
        while piece := os.read(stream.fileno(), 32768):
            send(piece)


class ForcedSsh:
    """Serves until it is closed. `lines` is the folder with one `<account>` file of authorized_keys lines each.

    `program` stands for the program that the lines name: the gate, or what a test puts in its place.
    """

    def __init__(self, lines: Path, named: str, program: str) -> None:
        self._lines, self._named, self.program = lines, named, program
        self.line = Line()
        private, public = keys.generate("host")
        self._key = paramiko.Ed25519Key(file_obj=io.StringIO(private))
        self.host_key = " ".join(public.split()[:2])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._transports: list[paramiko.Transport] = []
        self._connections: list[_Connection] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def pin(self) -> str:
        """Return the line of a known_hosts file."""
        return f"[127.0.0.1]:{self.port} {self.host_key}"

    def close(self) -> None:
        """End the server and every connection."""
        self.line.mend()
        with contextlib.suppress(OSError):  # a second close is none
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._socket.close()
        for transport in self._transports:
            transport.close()

    def lose_power_at(self, moment: Callable[[str, int], bool]) -> None:
        """Kill all that runs behind this server at that moment and end every connection; it answers new ones."""
        self.line.on_cut = self._lose_power
        self.line.cut_at_each([moment])

    def _lose_power(self) -> None:
        self.line.on_cut = None
        for about in self._connections:
            if about.child is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(about.child, signal.SIGKILL)
        for transport in self._transports:
            transport.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            about = _Connection()
            self._connections.append(about)
            transport = paramiko.Transport(self._behind_the_line(connection, about))
            transport.add_server_key(self._key)
            self._transports.append(transport)
            try:
                transport.start_server(event=threading.Event(), server=_Account(self._find, about))
            except paramiko.SSHException:
                continue

    def _behind_the_line(self, outer: socket.socket, about: _Connection) -> socket.socket:
        near, far = socket.socketpair()
        threading.Thread(target=self.line.join, args=(outer, near, about), daemon=True).start()
        return far

    def _find(self, account: str, key: str) -> str | None:
        path = self._lines / account / ".ssh" / "authorized_keys"
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            if key in line and 'command="' in line:
                return line.split('command="')[1].split('"')[0].replace(self._named, self.program)
        return None
