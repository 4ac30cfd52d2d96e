"""Child processes of a backup: secrets by inherited pipe, memory-bounded output, no child that outlives its parent."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

from .frames import clean_text

KEPT_OUTPUT = 1 << 16
_SIGNAL_NAMES = {signal.SIGTERM: "TERM", signal.SIGINT: "INT"}
_starting = threading.Lock()


def start(argv, secrets=(), die_with=signal.SIGTERM, **options):
    """Start `argv` and return the Popen object; an element of `argv` that is a `SecretArgument` becomes /dev/fd/N.

    Args:
        argv: the command, without a shell.
        secrets: values (text) that the child reads from pipes, in the order of the `SecretArgument`s in `argv`.
        die_with: the signal (SIGTERM or SIGINT) that the kernel sends the child when this process dies, even by
            SIGKILL; None: none.
        options: passed to Popen; `pass_fds` is taken.
    """
    pipes = [_secret_pipe(value) for value in secrets]
    try:
        waiting = list(pipes)
        filled = ["/dev/fd/%d" % waiting.pop(0) if part is SECRET else part for part in argv]
        if die_with is not None:
            filled = ["setpriv", "--pdeathsig", _SIGNAL_NAMES[die_with]] + filled
        with _starting:
            return _popen(filled, pipes, options)
    finally:
        for descriptor in pipes:
            os.close(descriptor)


class _SecretArgument:
    """Stands in a command for the path of the pipe that carries a secret."""


SECRET = _SecretArgument()


def _secret_pipe(value):
    """Return the reading end of a pipe that holds `value` and its end."""
    reading, writing = os.pipe()
    try:
        os.write(writing, value.encode("utf-8"))
    finally:
        os.close(writing)
    return reading


def _popen(argv, descriptors, options):
    if sys.version_info >= (3, 2):
        options = dict(options, pass_fds=tuple(descriptors))
        return subprocess.Popen(argv, **options)
    return subprocess.Popen(argv, close_fds=False, preexec_fn=_keep_only(descriptors), **options)  # noqa: PLW1509


def _keep_only(descriptors):
    """Python 2 knows no pass_fds: mark every other descriptor in the child as closed by exec."""

    def mark():
        for name in os.listdir("/proc/self/fd"):
            number = int(name)
            if number > 2 and number not in descriptors:
                try:
                    fcntl.fcntl(number, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
                except (IOError, OSError):
                    pass  # the descriptor of the listing itself

    return mark


class Tail:
    """Reads a stream to its end in a thread and keeps the last KEPT_OUTPUT bytes of it."""

    def __init__(self, stream):
        """Start reading `stream` (a file object of bytes) at once."""
        self._stream = stream
        self._kept = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.daemon = True
        self._thread.start()

    def _read(self):
        while True:
            piece = os.read(self._stream.fileno(), KEPT_OUTPUT)
            if not piece:
                self._stream.close()
                return
            self._kept = (self._kept + piece)[-KEPT_OUTPUT:]

    def bytes(self, wait_seconds=10):
        """Return what was kept, once the stream has ended (or after `wait_seconds`)."""
        self._thread.join(wait_seconds)
        return self._kept

    def text(self, wait_seconds=10):
        """Return the end of what was kept as one line that is safe to show."""
        return clean_text(self.bytes(wait_seconds)[-1500:])


def run(argv, secrets=(), feed=b"", timeout=None, die_with=signal.SIGTERM, **options):
    """Run `argv` to its end and return (exit code, last bytes of stdout, last bytes of stderr).

    Args:
        argv: the command; see `start` for secrets.
        secrets: values for the `SECRET`s in `argv`.
        feed: bytes for its stdin.
        timeout: seconds after which it gets SIGTERM and then SIGKILL; None: as long as it takes.
        die_with: see `start`.
        options: passed to Popen.
    """
    child = start(
        argv, secrets, die_with, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )
    alarm = threading.Timer(timeout, stop, [child]) if timeout else None
    if alarm:
        alarm.daemon = True
        alarm.start()
    try:
        out, err = Tail(child.stdout), Tail(child.stderr)
        give(child, feed)
        code = child.wait()
    finally:
        if alarm:
            alarm.cancel()
    return code, out.bytes(), err.bytes()


def give(child, feed):
    """Write `feed` to the child's stdin and close it; a child that does not want it is no error."""
    try:
        write_all(child.stdin.fileno(), feed)
    except (IOError, OSError) as error:
        if error.errno != errno.EPIPE:
            raise
    finally:
        child.stdin.close()


def write_all(descriptor, data):
    """Write every byte of `data`."""
    while data:
        data = data[os.write(descriptor, data) :]


def stop(child, first=signal.SIGTERM, wait_seconds=20):
    """End `child` with `first`, with SIGKILL if that is not enough; return its exit code."""
    for number in (first, signal.SIGKILL):
        if child.poll() is None:
            try:
                child.send_signal(number)
            except OSError:
                pass  # it ended by itself
            wait(child, wait_seconds)
    return child.wait()


def wait(child, seconds):
    """Return the child's exit code, or None when it still runs after `seconds`."""
    # Popen.wait has no timeout before Python 3.3.
    deadline = time.time() + seconds
    while child.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    return child.poll()
