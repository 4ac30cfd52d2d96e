"""The running sshd: told to read its configuration again, and seen to have done so."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import time

from .host import run
from .hosttools import faults

_PID_FILES = ("/run/sshd.pid", "/var/run/sshd.pid")
_SECONDS = 20


def reload_command(host):
    """Return the command that makes a running sshd read its configuration again; one that is off stays off."""
    unit = "ssh" if host.release.startswith("debian") else "sshd"
    if host.systemd:
        return ["systemctl", "reload-or-try-restart", unit + ".service"]
    return ["service", unit, "reload"]


def reload(host):
    """Reload sshd and wait until it listens anew: a login before that would try the configuration of before.

    Raises FaultError where sshd refuses, or has ended.
    """
    pid = _pid()
    before = _listening(pid)
    code, said = run(reload_command(host))
    if code:
        raise faults.FaultError("sshd does not reload: %s" % said.strip()[-300:])
    if not before:
        return
    until = os.times()[4] + _SECONDS
    while _listening(pid) in (before, set()):
        if os.times()[4] > until:
            raise faults.FaultError("sshd (process %d) does not listen anew %d s after its reload" % (pid, _SECONDS))
        time.sleep(0.05)


def _pid():
    for name in _PID_FILES:
        try:
            with open(name) as stream:
                return int(stream.read())
        except (EnvironmentError, ValueError):
            continue
    return None


def _listening(pid):
    """Return the inodes of the TCP sockets that a process listens on."""
    if pid is None:
        return set()
    folder, own = "/proc/%d/fd" % pid, set()
    try:
        for name in os.listdir(folder):
            own.add(os.readlink(os.path.join(folder, name)))
    except OSError:
        pass  # it is just exchanging its program, or has ended
    return set(inode for inode in _listeners() if "socket:[%s]" % inode in own)


def _listeners():
    found = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        if os.path.exists(name):
            with open(name) as stream:
                fields = [line.split() for line in stream.readlines()[1:]]
            found |= set(one[9] for one in fields if one[3] == "0A")
    return found
