#!/usr/bin/env python
"""Takes a change of settings back, by itself where nobody confirmed it.

A copy of this file lies in the folder of every change, and one above them for the host's start: it runs without
Ansible, without a controller and after a restart, and needs nothing but Python and no free space. In the folder of a
change are `recipe.json` and one marker, whose name is the change's state. A marker is only ever renamed: whoever
renames it first (a confirmation or the guard) decides.

    revert.py watch SECONDS   wait, then take the change back unless it was confirmed
    revert.py boot            at the host's start: take every change back that was not confirmed
    revert.py confirm         keep the change
    revert.py state           print the state
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import fcntl
import hashlib
import json
import os
import select
import stat
import subprocess
import sys
import time

ARMED, REVERTING, REVERTED, CONFIRMED, UNDONE = "armed", "reverting", "reverted", "confirmed", "undone"
# In the order in which a change takes them: one that is just renamed is then found under its new name.
STATES = (ARMED, REVERTING, CONFIRMED, REVERTED, UNDONE)
WAITS = 0.2
LONGEST_LOOK = 5
LONGEST_COMMAND = 120
_ANOTHER_FILE = "%s is a link, has a second name, or is another file than before: its mode stays; look who changed it"


def state(folder):
    """Return the state of the change in `folder`, None of one that never began."""
    for name in STATES:
        if os.path.exists(os.path.join(folder, name)):
            return name
    return None


def move(folder, old, new):
    """Bring a change from one state into another; return whether it was in the old one."""
    try:
        os.rename(os.path.join(folder, old), os.path.join(folder, new))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def read_recipe(folder):
    """Return the recipe: files, modes, kernel, commands, as `change.py` wrote it before it changed anything."""
    with open(os.path.join(folder, "recipe.json"), "rb") as stream:
        return json.loads(stream.read().decode("ascii"))


def hold(folder):
    """Return a descriptor that says this process guards the change, or None where another one does."""
    descriptor = os.open(os.path.join(folder, "recipe.json"), os.O_RDONLY)
    if _lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _lock(descriptor):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        return False
    return True


def take_back(folder, starting=False):
    """Take the change back and return what could not be, in words; may be repeated after a kill at any point.

    Whoever else takes it back at this moment is waited for, but not for ever: one that hangs keeps nothing in force.
    `starting`: the host is starting, so services are not waited for.
    """
    alone, until = os.open(folder, os.O_RDONLY), os.times()[4] + LONGEST_COMMAND
    try:
        while not _lock(alone) and os.times()[4] < until:
            time.sleep(WAITS)
        return _take_back_alone(read_recipe(folder), starting)
    finally:
        os.close(alone)


def _take_back_alone(recipe, starting):
    faults = []
    steps = [(_restore_file, entry) for entry in reversed(recipe["files"])]
    steps += [(_restore_mode, entry) for entry in recipe["modes"]]
    steps += [(_restore_kernel, entry) for entry in recipe["kernel"]]
    steps += [(_run, _without_waiting(command, starting)) for command in recipe["commands"]]
    for step, argument in steps:
        try:
            step(argument)
        except (EnvironmentError, ValueError) as error:
            faults.append("%s" % error)
    return faults


def digest(path):
    """Return the SHA-256 of a file's content, None where there is no file."""
    try:
        with open(path, "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except EnvironmentError as error:
        if error.errno != errno.ENOENT:
            raise
        return None


def inode(about):
    """Return what tells a file (its stat) from every other, as a recipe keeps it."""
    return [about.st_dev, about.st_ino]


def mode(about):
    """Return mode and owner of a file (its stat), as a recipe keeps them."""
    return {"mode": stat.S_IMODE(about.st_mode), "uid": about.st_uid, "gid": about.st_gid}


def set_mode(path, wanted, is_meant):
    """Give a file mode and owner; raises ValueError where a link, a second name or another file is in its place.

    Args:
        path: the file, no link followed at its end.
        wanted: {"mode", "uid", "gid"}.
        is_meant: tells by an `inode` whether it is the file that is meant.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ValueError(_ANOTHER_FILE % path)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1 or not is_meant(inode(about)):
            raise ValueError(_ANOTHER_FILE % path)
        os.fchown(descriptor, wanted["uid"], wanted["gid"])
        os.fchmod(descriptor, wanted["mode"])
    finally:
        os.close(descriptor)


def _restore_file(entry):
    """Put the file of before in its place: the same inode, so with its mode, owner, ACL and label."""
    path, saved = entry["path"], entry["saved"]
    _remove(entry["candidate"])
    if saved is None:
        found = digest(path)
        if found not in (None, entry["sha256"]):
            raise ValueError("%s was changed since; look at it, then remove it" % path)
        if found:
            os.unlink(path)
    elif os.path.lexists(saved):
        if os.path.lexists(path) and os.path.samefile(path, saved):
            os.unlink(saved)
        else:
            os.rename(saved, path)
    elif digest(path) == entry["sha256"]:
        raise ValueError("%s, the content of before, is gone; put %s right by hand" % (saved, path))


def _remove(path):
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _restore_mode(entry):
    if os.path.lexists(entry["path"]):
        # Programs such as passwd put a new file in the place of the old one.
        safe = _is_for_root_alone(os.path.dirname(entry["path"]))
        set_mode(entry["path"], entry["before"], lambda found: safe or found == entry["inode"])


def _is_for_root_alone(folder):
    about = os.lstat(folder)
    shared = about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(about.st_mode) and os.path.realpath(folder) == folder and not shared


def _restore_kernel(entry):
    with open(entry["path"], "w") as stream:
        stream.write(entry["value"])


def _run(command):
    """Run a command to its end, but wait for none that it leaves behind; raises ValueError where it fails."""
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=True, env=dict(os.environ, LC_ALL="C")
    )
    heard, until = b"", os.times()[4] + LONGEST_COMMAND
    while child.poll() is None and os.times()[4] < until:
        heard = (heard + _listen(child.stdout))[-2000:]
    late = child.poll() is None
    if late:
        child.kill()
        child.wait()
    said = (heard + _listen(child.stdout)).decode("utf-8", "replace").strip()
    child.stdout.close()
    if late:
        raise ValueError("%s was stopped after %s s: %s" % (" ".join(command), LONGEST_COMMAND, said))
    if child.returncode:
        raise ValueError("%s ended with %d: %s" % (" ".join(command), child.returncode, said))


def _listen(stream):
    """Return what a stream has to say within a moment."""
    if not select.select([stream], [], [], WAITS)[0]:
        return b""
    said = os.read(stream.fileno(), 65536)
    if not said:
        time.sleep(WAITS / 10)  # its end is there, and not yet that of the command
    return said


def _without_waiting(command, starting):
    return command[:1] + ["--no-block"] + command[1:] if starting and command[0] == "systemctl" else command


def _guard(folder, starting=False):
    """Take an unconfirmed change back; return 0, or 1 where something of it stayed."""
    if not move(folder, ARMED, REVERTING) and state(folder) != REVERTING:
        return 0
    faults = take_back(folder, starting)
    for fault in faults:
        print("yunwei: not taken back: %s" % fault, file=sys.stderr)
    if faults:
        return 1
    move(folder, REVERTING, REVERTED)
    return 0


def watch(folder, seconds):
    """Wait `seconds` for a confirmation, by a clock that nobody can set, then take the change back."""
    begin = os.times()[4]
    until = begin + seconds
    # Who started this process looks whether it holds the change, and for that moment holds it himself.
    while hold(folder) is None:
        if os.times()[4] > begin + LONGEST_LOOK:
            return 0
        time.sleep(WAITS / 10)
    while os.times()[4] < until:
        if state(folder) not in (ARMED, REVERTING):
            return 0
        time.sleep(WAITS)
    return _guard(folder)


def _boot(base):
    """Take back what is unconfirmed in any folder of `base`, the newest first: it was made on top of the others."""
    folders = [os.path.join(base, name) for name in sorted(os.listdir(base), reverse=True)]
    return max([_guard(one, True) for one in folders if state(one) in (ARMED, REVERTING)] or [0])


def _confirm(folder):
    if move(folder, ARMED, CONFIRMED) or state(folder) == CONFIRMED:
        print(CONFIRMED)
        return 0
    print("too late: the change is %s" % state(folder), file=sys.stderr)
    return 1


def main(arguments):
    """Do what the first argument says for the change in whose folder this file lies; return the exit code."""
    folder = os.path.dirname(os.path.abspath(__file__))
    word = arguments[0] if arguments else ""
    if word == "watch":
        return watch(folder, int(arguments[1]))
    if word == "boot":
        return _boot(folder)
    if word == "confirm":
        return _confirm(folder)
    if word == "state":
        print(state(folder))
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
