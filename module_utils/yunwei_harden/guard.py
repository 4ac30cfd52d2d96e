"""Arms what takes a change back: a process of its own on the host, and a hook at the host's start."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import pkgutil
import sys
import time

from . import revert
from .host import demand
from .hosttools import detached, faults

_START_SECONDS = 30
HOOK = "yunwei-revert.service"
_UNIT = """# Made by yunwei: a change of settings that nobody confirmed does not outlive a restart.
[Unit]
Description=Take back changes of settings that were not confirmed
DefaultDependencies=no
RequiresMountsFor=%(base)s
After=local-fs.target
Before=sysinit.target
ConditionPathExists=%(base)s/revert.py

[Service]
Type=oneshot
ExecStart=%(python)s %(base)s/revert.py boot

[Install]
WantedBy=sysinit.target
"""
_CRON = "# Made by yunwei: a change of settings that nobody confirmed does not outlive a restart.\n@reboot root %s\n"


def base(host):
    """Return the folder that holds the folders of changes."""
    return os.path.join(host.root, "var/lib/yunwei/hardening")


def install_hook(host):
    """Have unconfirmed changes taken back when the host starts, before anybody can log in where systemd starts it."""
    folder = base(host)
    write_program(folder)
    if not host.systemd:
        command = " ".join([sys.executable, os.path.join(folder, "revert.py"), "boot"])
        _put(os.path.join(host.root, "etc/cron.d/yunwei-revert"), _CRON % command, 0o644)
        return
    unit = _UNIT % {"base": folder, "python": sys.executable}
    if _put(os.path.join(host.root, "etc/systemd/system", HOOK), unit, 0o644):
        demand(["systemctl", "daemon-reload"])
    demand(["systemctl", "enable", HOOK])


def write_program(folder):
    """Put `revert.py` into a folder; it is read from wherever this package was loaded, also from an archive."""
    source = pkgutil.get_data(__name__.rpartition(".")[0], "revert.py").decode("utf-8")
    _put(os.path.join(folder, "revert.py"), source, 0o700)


def start(host, folder, change, seconds):
    """Start the process that takes the change back after `seconds`; it outlives session and controller."""
    command = [sys.executable, os.path.join(folder, "revert.py"), "watch", "%d" % seconds]
    if host.systemd:
        demand(["systemd-run", "--quiet", "--unit", "yunwei-guard-" + change] + command)
    else:
        detach(command)
    _await(folder)


def _await(folder):
    """Wait until the guard holds the change: before that nothing may be changed. Raises FaultError."""
    until = os.times()[4] + _START_SECONDS
    while True:
        held = revert.hold(folder)
        if held is None:
            return
        os.close(held)
        if os.times()[4] > until:
            raise faults.FaultError(
                "the process that would take the change back does not start; look at the host's load"
            )
        time.sleep(0.05)


def detach(command):
    """Start a command as a process of its own: another session, no open file of ours, child of process 1."""

    def become():
        os.chdir("/")
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2:
                _close(int(name))
        os.execv(command[0], command)  # noqa: S606 - a list, no shell

    detached.run_detached(become)


def _close(number):
    try:
        os.close(number)
    except OSError:
        pass  # the descriptor of the listing itself


def settle(host):
    """Bring earlier changes to an end: take back what a dead guard left, remove what never began.

    Raises RefusedByPolicyError where a change still waits for its confirmation, FaultError where one cannot be taken
    back.
    """
    for name in changes(host):
        folder = os.path.join(base(host), name)
        if os.path.isfile(os.path.join(folder, "recipe.json")):
            _settle(name, folder)


def changes(host):
    """Return the names of all changes on the host, the newest first."""
    found = os.listdir(base(host)) if os.path.isdir(base(host)) else []
    return sorted((name for name in found if os.path.isdir(os.path.join(base(host), name))), reverse=True)


def _settle(name, folder):
    found = revert.state(folder)
    if found not in (None, revert.ARMED, revert.REVERTING):
        return
    held = revert.hold(folder)
    if held is None:
        raise faults.RefusedByPolicyError(
            "armed",
            "REFUSED: change %s waits on this host for its confirmation, or is taken back by itself; start again then"
            % name,
        )
    try:
        if found is None:
            discard(folder)
            return
        revert.move(folder, revert.ARMED, revert.REVERTING)
        wrong = revert.take_back(folder)
        if wrong:
            raise faults.FaultError(
                "change %s was never confirmed and cannot be taken back: %s" % (name, "; ".join(wrong))
            )
        revert.move(folder, revert.REVERTING, revert.REVERTED)
    finally:
        os.close(held)


def discard(folder):
    """Remove the folder of a change that never began, and the candidates that it names."""
    for entry in revert.read_recipe(folder)["files"]:
        if os.path.lexists(entry["candidate"]):
            os.unlink(entry["candidate"])
    for name in sorted(os.listdir(folder), key=lambda one: one == "recipe.json"):
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)


def _put(path, text, mode):
    """Put a file in place whole; return whether it differed."""
    try:
        with open(path, "rb") as stream:
            if stream.read() == text.encode("utf-8"):
                return False
    except EnvironmentError:
        pass  # it is not there yet
    new = path + ".new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text.encode("utf-8"))
        stream.flush()
        os.fsync(descriptor)
    os.rename(new, path)
    return True
