"""What the planner sees of a host: its files, its programs, and what is in force."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import stat

from . import release, revert
from .hosttools import faults, frames, process

# What sshd asks of a connection before it says what is in force; Match blocks for others do not count.
_ANYBODY = "user=nobody,host=localhost,addr=127.0.0.1"


class Host:
    """A host below `root`; nothing here changes it."""

    def __init__(self, root="/"):
        """Find out the release; raises FaultError where there are no rules for it."""
        self.root = root
        self.release = release.detect(root)
        self.container = release.in_container(root)
        self.systemd = os.path.isdir(os.path.join(root, "run/systemd/system"))
        self._known = {}

    def path(self, name):
        """Return where an absolute path lies below the root, links followed."""
        return os.path.realpath(os.path.join(self.root, name.lstrip("/")))

    def read(self, name):
        """Return a file's text (latin-1), None where there is none; raises FaultError where others can change it."""
        path = self.path(name)
        try:
            found = os.lstat(path)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return None
        self._demand_safe(path, found)
        with open(path, "rb") as stream:
            return stream.read().decode("latin-1")

    def exists(self, name):
        """Tell whether there is anything at a path."""
        return os.path.lexists(os.path.join(self.root, name.lstrip("/")))

    def _demand_safe(self, path, found):
        if not stat.S_ISREG(found.st_mode):
            raise faults.FaultError("%s is no plain file; put one there" % path)
        demand_one_name(path, found)
        folder = os.path.dirname(path)
        while True:
            about = os.stat(folder)
            if about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise faults.FaultError("%s can be changed by others than root; put its owner and mode right" % folder)
            if folder in (os.path.realpath(self.root), "/"):
                return
            folder = os.path.dirname(folder)

    def sshd(self):
        """Return what sshd makes of its configuration as it was at the first call: {lower-case option: text}.

        Raises FaultError with sshd's words.
        """
        if "sshd" not in self._known:
            self._known["sshd"] = sshd_effective()
        return self._known["sshd"]

    def login_shell(self):
        """Return {"umask", "TMOUT"} of an interactive login shell of root, as texts, as it was at the first call."""
        if "shell" not in self._known:
            self._known["shell"] = _login_shell()
        return self._known["shell"]


def demand_one_name(path, found):
    """Raise FaultError where a file (`found`: its stat) has other names, under which others may change it."""
    if found.st_nlink != 1:
        raise faults.FaultError("%s has %d names; remove the others, then start again" % (path, found.st_nlink))


def sshd_effective(config=None):
    """Return what sshd makes of its configuration, or of the file `config`: {lower-case option: text}.

    An option that is there more than once has its values joined by commas. Raises FaultError with sshd's words.
    """
    command = ["/usr/sbin/sshd", "-T", "-C", _ANYBODY] + (["-f", config] if config else [])
    code, said = run(command)
    if code:
        refused = (config or "its configuration", frames.clean_text(said[-600:]))
        raise faults.FaultError("sshd does not accept %s: %s" % refused)
    found = {}
    for line in said.splitlines():
        name, _, value = line.partition(" ")
        name, value = name.lower(), value.strip()
        found[name] = found[name] + "," + value if name in found else value
    return found


def _login_shell():
    code, said = run(["env", "-i", "HOME=/root", "USER=root", "bash", "-lic", "umask; echo ${TMOUT:-0}"])
    lines = said.split()
    if code or len(lines) < 2:
        raise faults.FaultError("a login shell of root does not start: %s" % frames.clean_text(said[-300:]))
    return {"umask": "%03o" % int(lines[-2], 8), "TMOUT": lines[-1]}


def run(command):
    """Run a command and return (exit code, what it says); 127 where there is none.

    What it says is its output, in the C locale; where it fails its errors as well.
    """
    begin = os.times()[4]
    try:
        code, out, err = process.run(
            command, timeout=revert.LONGEST_COMMAND, die_with=None, env=dict(os.environ, LC_ALL="C")
        )
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return 127, "%s is not there" % command[0]
    said = (out + err if code else out).decode("utf-8", "replace")
    if code < 0 and os.times()[4] - begin >= revert.LONGEST_COMMAND:
        said += " (it was stopped after %s s)" % revert.LONGEST_COMMAND
    return code, said


def demand(command):
    """Run a command; raises FaultError with what it says where it fails."""
    code, said = run(command)
    if code:
        raise faults.FaultError("%s ended with %d: %s" % (" ".join(command), code, said.strip()[-300:]))
