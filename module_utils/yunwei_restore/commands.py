"""Runs programs: without a shell, with a small environment, as another user where asked."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import grp
import os
import pwd
import subprocess

from .errors import NotJudgedError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandError(Exception):
    """A program ended with another code than 0; keeps `program`, `code` and `stderr` (text, its end)."""

    def __init__(self, program, code, stderr):
        """Keep what the program said."""
        Exception.__init__(self, "%s ended with code %s: %s" % (program, code, telling_line(stderr)))
        self.program = program
        self.code = code
        self.stderr = stderr


def environment(extra=None):
    """Return the environment of every program started here: PATH, a fixed locale, and `extra` (dict of text)."""
    chosen = {"PATH": PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    chosen.update(extra or {})
    return chosen


def become(user):
    """Return a function for `preexec_fn` that turns the child into `user`, or None for no change.

    `user` is an account's name or (uid, gid, [further groups]). Modules have one thread, so preexec_fn is safe here.
    """
    if user is None:
        return None
    uid, gid, groups = user if isinstance(user, tuple) else _identity(user)

    def change():
        os.setsid()
        os.setgroups(sorted(set(groups + [gid])))
        os.setgid(gid)
        os.setuid(uid)

    return change


def run(arguments, user=None, extra=None, given=None):
    """Return standard output (bytes) of `arguments` (list of text); `given` (bytes) goes to standard input.

    Raises CommandError when the program ends with another code than 0, NotJudgedError when it does not exist.
    """
    child = start(arguments, user=user, extra=extra)
    out, err = child.communicate(given if given is not None else b"")
    if child.returncode != 0:
        raise CommandError(os.path.basename(arguments[0]), child.returncode, shown(err))
    return out


def start(arguments, user=None, extra=None, **streams):
    """Return the running child of `arguments`; raises NotJudgedError when the program does not exist.

    `streams` replaces the pipes stdin, stdout, stderr or the folder cwd.
    """
    chosen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": "/"}
    chosen.update(streams, env=environment(extra), preexec_fn=become(user), close_fds=True)
    try:
        return subprocess.Popen(arguments, **chosen)
    except (OSError, IOError) as error:
        if error.errno not in (errno.ENOENT, errno.EACCES):
            raise
        raise NotJudgedError(arguments[0], "the program is not on this host", "install it, then start again")


def shown(raw):
    """Return `raw` (bytes that a program wrote) as text without control characters but newlines, its last 4000."""
    text = raw[-4000:].decode("utf-8", "replace")
    return "".join([char for char in text if char == "\n" or (char >= " " and char != "\x7f")])


def last_line(text):
    """Return the last line of `text` that is not empty, at most 500 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"


def telling_line(text):
    """Return the first line of `text` that names an error, else the last one."""
    for word in ("ERROR:", "FATAL:", "PANIC:", "error:"):
        for line in text.splitlines():
            if word in line:
                return line.strip()[:500]
    return last_line(text)


def _identity(user):
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise NotJudgedError(user, "the host has no such account", "install the database's server package")
    groups = [group.gr_gid for group in grp.getgrall() if user in group.gr_mem]
    return entry.pw_uid, entry.pw_gid, groups
