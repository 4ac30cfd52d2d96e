"""Which release of which system this host runs: rules differ by it, so an unknown one is refused, never guessed."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re

from .hosttools import faults

KNOWN = ("el6", "el7", "debian11", "debian12")


def detect(root="/"):
    """Return one of KNOWN.

    NeoKylin rebuilds RHEL and gives its own names in every file (NeoKylin Linux Advanced Server V7Update6), so an EL
    release is told by the kernel's or the package's suffix, not by a product's name.
    """
    lines = _read(os.path.join(root, "etc/os-release")).splitlines()
    named = dict(line.split("=", 1) for line in lines if "=" in line)
    if named.get("ID", "").strip('"') == "debian":
        found = "debian" + named.get("VERSION_ID", "").strip('"')
    else:
        suffix = re.search(r"\.(?:el|ns)([67])(?:[._]|$)", os.uname()[2])
        first = suffix or re.search(r"release V?([67])(?!\d)", _read(os.path.join(root, "etc/redhat-release")))
        found = "el" + first.group(1) if first else named.get("PRETTY_NAME", "no name").strip('"')
    if found not in KNOWN:
        raise faults.FaultError(
            "this host runs %s, for which there are no rules; known are %s: take the host out of the systems that are "
            "hardened, or write rules for it" % (found, ", ".join(KNOWN))
        )
    return found


def in_container(root="/"):
    """Tell whether the host shares its kernel: its kernel settings are then another machine's."""
    if os.path.exists(os.path.join(root, "run/.containerenv")) or os.path.exists(os.path.join(root, ".dockerenv")):
        return True
    return "\0container=" in "\0" + _read(os.path.join(root, "proc/1/environ"))


def _read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except EnvironmentError:
        return ""
