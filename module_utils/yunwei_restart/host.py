"""This host as the checks see it: its files, its programs. A test gives another root folder, or other answers."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import signal
import threading

from .hosttools import commands, frames, server_errors

ABSENT = 127


class Host:
    """Files below `root` and the host's own programs."""

    def __init__(self, root="/"):
        """Keep where the host's files are."""
        self.root = root

    def path(self, name):
        """Return where the file `name` (an absolute path of the host) is."""
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name):
        """Return the text of a file, None where it is absent or ended while it was read (as in /proc)."""
        try:
            with open(self.path(name), "rb") as stream:
                return stream.read().decode("utf-8", "replace")
        except EnvironmentError:
            return None

    def names(self, folder):
        """Return the names in a folder in order, none where it is absent."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except EnvironmentError:
            return []

    def exists(self, name):
        """Return whether there is such a file, of whatever kind."""
        return os.path.exists(self.path(name))

    @property
    def in_container(self):
        """Return whether this host is a container: kernel, mounts and default route are then its machine's."""
        return self.exists("/run/systemd/container") or self.exists("/run/.containerenv")

    @property
    def has_systemd(self):
        """Return whether systemd is process 1."""
        return self.exists("/run/systemd/system")

    def has(self, program):
        """Return whether the program is there."""
        return bool([one for one in commands.PATH.split(":") if os.access(self.path(one + "/" + program), os.X_OK)])

    def run(self, argv, seconds=30):
        """Return (exit code, standard output, standard error) of a program as text; it is ended after `seconds`.

        The code is ABSENT where there is no such program.
        """
        try:
            child = commands.start(argv)
        except server_errors.NotJudgedError:
            return ABSENT, "", "%s: no such program" % argv[0]
        alarm = threading.Timer(seconds, _end, [child])
        alarm.daemon = True
        alarm.start()
        try:
            out, err = child.communicate(b"")
        finally:
            alarm.cancel()
        return child.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _end(child):
    try:
        child.send_signal(signal.SIGKILL)
    except OSError:
        pass  # it ended by itself


def finding(item, reason):
    """Return one thing that stands against a restart: `item` is what a waiver names, `reason` is for people.

    Whoever has an account on the host chooses names of processes and of mounts: they are cleaned for a terminal.
    """
    return {"item": frames.clean_text(item), "reason": frames.clean_text(reason)}
