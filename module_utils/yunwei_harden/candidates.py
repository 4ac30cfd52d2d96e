"""New files beside those that they will replace: same mode, owner, ACL and labels, and accepted by their programs."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import glob
import os
import re
import stat

from . import kinds, revert
from .attributes import copy_attributes
from .host import run, sshd_effective
from .hosttools import faults, process

NEW_FILE_MODE = 0o644
_PAM_FOLDERS = ("/lib/security", "/lib64/security", "/lib/*/security", "/usr/lib/*/security", "/usr/lib64/security")


def write(entry, text):
    """Write a candidate next to its target; raises OSError, also where an attribute cannot be kept."""
    descriptor = os.open(entry["candidate"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        process.write_all(descriptor, text.encode("latin-1"))
        if entry["saved"] is None:
            os.fchmod(descriptor, NEW_FILE_MODE)
        else:
            _take_after(entry["path"], descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_after(path, descriptor):
    original = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        about = os.fstat(original)
        os.fchown(descriptor, about.st_uid, about.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(about.st_mode))
        copy_attributes(original, descriptor)
    finally:
        os.close(original)


def validate(entry):
    """Have the program that reads a file judge its candidate; raises FaultError with what it says."""
    name = entry["name"]
    if name == kinds.SSHD_CONFIG:
        _demand(["/usr/sbin/sshd", "-t", "-f", entry["candidate"]], name)
        sshd_effective(entry["candidate"])
    elif name == kinds.LOGIN_SHELL:
        _demand(["bash", "-n", entry["candidate"]], name)
    elif name.startswith("/etc/pam.d/"):
        _demand_pam_modules(name, entry["candidate"])


def _demand(command, name):
    code, said = run(command)
    if code:
        raise faults.FaultError("%s would not be accepted, nothing was changed: %s" % (name, said.strip()[-400:]))


def _demand_pam_modules(name, path):
    """Raise FaultError where a line names a module that is not there: PAM would refuse every login."""
    with open(path, "rb") as stream:
        lines = stream.read().decode("latin-1").splitlines()
    for line in lines:
        found = re.match(r"\s*(-?)(?:auth|account|password|session)\s+(?:\[[^\]]*\]|\S+)\s+(\S+)", line)
        if not found or found.group(1) or not found.group(2).endswith(".so"):
            continue
        module = found.group(2)
        places = [module] if module.startswith("/") else [os.path.join(one, module) for one in _PAM_FOLDERS]
        if not [one for place in places for one in glob.glob(place)]:
            raise faults.FaultError("%s would name %s, which is not installed; nothing was changed" % (name, module))


def replace(entry):
    """Put a candidate in the place of its target; the file of before stays beside it under its saved name."""
    if revert.digest(entry["path"]) != entry["before"]:
        raise faults.FaultError("%s was changed by somebody else meanwhile; start again" % entry["path"])
    if entry["saved"] is not None:
        _link(entry["path"], entry["saved"])
    os.rename(entry["candidate"], entry["path"])
    folder = os.open(os.path.dirname(entry["path"]), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _link(path, saved):
    try:
        os.link(path, saved)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
        raise faults.FaultError("%s is in the way; look whose it is, then remove it" % saved)
