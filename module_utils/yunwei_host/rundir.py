"""The private tmpfs folder of one run (agent socket, ssh configuration, manifest); swept when its owner died."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import shutil
import tempfile

TMPFS = "/dev/shm"  # noqa: S108  (tmpfs by nature; /run may be a disk)


def make_run_folder(system, base=TMPFS):
    """Return a new folder (0700) for this process and `system`; remove it with `remove_run_folder`."""
    return tempfile.mkdtemp(prefix="yunwei-run-%s-%d-" % (system, os.getpid()), dir=base)


def remove_run_folder(folder):
    """Remove the folder and what is in it; what cannot be removed is left to the next sweep."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep_run_folders(system, base=TMPFS):
    """Remove the folders of runs for `system` whose process is gone; return their names."""
    prefix = "yunwei-run-%s-" % system
    dead = [name for name in sorted(os.listdir(base)) if name.startswith(prefix) and _is_dead(name[len(prefix) :])]
    for name in dead:
        remove_run_folder(os.path.join(base, name))
    return dead


def _is_dead(rest):
    owner = rest.split("-")[0]
    return owner.isdigit() and not os.path.exists("/proc/%s" % owner)
