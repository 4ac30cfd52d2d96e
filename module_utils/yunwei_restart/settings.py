"""Kernel settings that the next start would change: saved ones that do not hold now, set ones that nobody saved."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from .host import finding

_FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# What every kernel starts with; what it computes from its memory is not here.
_KERNELS_OWN = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.ip_nonlocal_bind": "0",
    "vm.overcommit_memory": "0",
    "vm.swappiness": "60",
}


def unsaved_settings(host):
    """Return a finding for every kernel setting whose live value is not the one of the next start.

    In a container only net.* is the host's own, and begins with what its machine has. Patterns with a `*` are not
    judged.
    """
    wanted = {} if host.in_container else dict(_KERNELS_OWN)
    wanted.update(_saved(host))
    found = []
    for key in sorted(wanted):
        live = host.read("/proc/sys/" + key.replace(".", "/"))
        if live is None or (host.in_container and not key.startswith("net.")):
            continue
        now, then = " ".join(live.split()), " ".join(wanted[key].split())
        if now != then:
            reason = "%s is '%s' now and would be '%s' after a start; save it in /etc/sysctl.d, or set it back"
            found.append(finding("setting:" + key, reason % (key, now, then)))
    return found


def _saved(host):
    """Return {key: value} as systemd-sysctl reads it: by name over all folders, /etc/sysctl.conf last."""
    files = {}
    for folder in reversed(_FOLDERS):
        for name in host.names(folder):
            if name.endswith(".conf"):
                files[name] = "%s/%s" % (folder, name)
    found = {}
    for path in [files[name] for name in sorted(files)] + ["/etc/sysctl.conf"]:
        for line in (host.read(path) or "").splitlines():
            match = re.match(r"\A\s*-?\s*([A-Za-z0-9_./-]+)\s*=\s*(.*?)\s*\Z", line)
            if match:
                found[match.group(1).replace("/", ".")] = match.group(2)
    return found
