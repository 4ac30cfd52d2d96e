"""Who is at work on this host now: yunwei itself, a dump, a package transaction, a person at a terminal."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import os
import pwd
import re

from .host import finding
from .hosttools import hostlock
from .processes import command_line, own_family, processes

_DUMPS = frozenset([
    "pg_dump", "pg_dumpall", "pg_basebackup", "pg_restore", "restic", "rclone", "exp", "imp", "expdp", "impdp",
    "rman", "dexp", "dimp", "dmrman", "sys_dump", "sys_restore", "sys_basebackup",
])  # fmt: skip
_SOURCE = "/usr/libexec/yunwei/"
_PACKAGES = frozenset([
    "dpkg", "apt", "apt-get", "aptitude", "unattended-upgr", "rpm", "rpmdb", "yum", "dnf", "dnf-3", "microdnf",
    "packagekit-dnf",
])  # fmt: skip
_PROMPTS = frozenset(["agetty", "getty", "mingetty", "mgetty", "login"])
_LOCK = re.compile(r"\Ayunwei-([a-z][a-z0-9_]*)\.lock\Z")
_PTS = range(136, 144)


def at_work(host, held=()):
    """Return a finding for everything and everybody at work; `held` are systems whose lock the caller itself has."""
    everybody = processes(host)
    own = own_family(everybody, os.getpid())
    others = [process for process in everybody if process.pid not in own]
    return _locks(host, held) + _dumps(host, others) + _transactions(host, others) + _people(host, others, everybody)


def _locks(host, held):
    found = []
    for name in host.names(hostlock.FOLDER):
        match = _LOCK.match(name)
        if match and match.group(1) not in held:
            holder = _holder(host.path("%s/%s" % (hostlock.FOLDER, name)))
            if holder is not None:
                reason = "yunwei is at work on system %s here%s; wait for its end"
                found.append(finding("busy:yunwei:" + match.group(1), reason % (match.group(1), holder)))
    return found


def _holder(path):
    """Return in words who holds the lock file, None where nobody does."""
    descriptor = hostlock.open_lock(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except (IOError, OSError) as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        known = hostlock.holder(descriptor)
        return " (job %(job)s, run %(run_id)s)" % known if known else ""
    finally:
        os.close(descriptor)


def _dumps(host, others):
    found = []
    for process in others:
        line = command_line(host, process)
        if process.name in _DUMPS or _SOURCE in line:
            reason = "%s (process %d) runs: a backup or a restore; wait for its end" % (process.name, process.pid)
            found.append(finding("busy:backup:" + process.name, reason))
    return found


def _transactions(host, others):
    found = [
        finding("busy:packages:" + process.name, "%s (process %d) changes packages; wait for its end"
                % (process.name, process.pid))
        for process in others
        if process.name in _PACKAGES
    ]  # fmt: skip
    if host.has("dpkg"):
        _, out, _ = host.run(["dpkg", "--audit"], seconds=60)
        if out.strip():
            reason = "dpkg --audit finds packages that are half installed; run dpkg --configure -a"
            found.append(finding("packages:half-installed", reason))
    return found


def _people(host, others, everybody):
    """Return a finding for each terminal that somebody works at; Ansible's own connection has none."""
    mine = [process.terminal for process in everybody if process.pid == os.getpid()]
    found = {}
    for process in others:
        terminal = process.terminal
        if terminal == 0 or terminal in mine or process.name in _PROMPTS:
            continue
        shown = _shown(terminal)
        reason = "%s works at %s (%s); ask for the session's end" % (_owner(host, process), shown, process.name)
        found.setdefault(shown, finding("busy:session:" + shown, reason))
    return [found[shown] for shown in sorted(found)]


def _shown(terminal):
    major, minor = (terminal >> 8) & 0xFFF, (terminal & 0xFF) | ((terminal >> 12) & 0xFFF00)
    if major in _PTS:
        return "pts/%d" % (minor + (major - _PTS[0]) * 256)
    return "tty%d" % minor if major == 4 else "terminal %d:%d" % (major, minor)


def _owner(host, process):
    try:
        uid = os.stat(host.path("/proc/%d" % process.pid)).st_uid
        return pwd.getpwuid(uid).pw_name
    except (EnvironmentError, KeyError):
        return "somebody"
