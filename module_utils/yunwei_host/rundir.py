"""The private tmpfs folder of one run (agent socket, ssh configuration, manifest); swept when its owner died."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import fcntl
import os
import shutil
import tempfile

TMPFS = "/dev/shm"  # noqa: S108  (tmpfs by nature; /run may be a disk)
_held = {}


def make_run_folder(system, base=None):
    """Return a new folder (0700) for this process and `system`; remove it with `remove_run_folder`."""
    folder = tempfile.mkdtemp(prefix="yunwei-run-%s-%d-" % (system, os.getpid()), dir=base or TMPFS)
    # Held for as long as the process lives. Its number would not do: numbers are used again.
    _held[folder] = _lock(folder)
    return folder


def remove_run_folder(folder):
    """Remove the folder and what is in it; what cannot be removed is left to the next sweep."""
    shutil.rmtree(folder, ignore_errors=True)
    descriptor = _held.pop(folder, None)
    if descriptor is not None:
        os.close(descriptor)


def sweep_run_folders(system, base=None):
    """Remove the folders of runs for `system` whose process is gone; return their names."""
    base, prefix = base or TMPFS, "yunwei-run-%s-" % system
    dead = []
    for name in sorted(name for name in os.listdir(base) if name.startswith(prefix)):
        folder = os.path.join(base, name)
        descriptor = _lock(folder)
        if descriptor is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)
            dead.append(name)
    return dead


def _lock(folder):
    """Return a descriptor that holds the folder, or None where another process does or the folder is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        os.close(descriptor)
        return None
    return descriptor
