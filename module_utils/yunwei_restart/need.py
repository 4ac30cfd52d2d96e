"""Why a host needs a restart, in words, from sources that do not know of each other."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import time

from . import kernels, processes
from .hosttools import frames

# Whoever uses these old ones goes on until the host is started again (the list of needs-restarting -r, Debian's names).
_CORE = re.compile(
    r"\A(kernel(-rt|-core)?|linux-image-.*|linux-firmware|(intel|amd64)-microcode|microcode_ctl|glibc|libc6|systemd|udev|"
    r"dbus|openssl-libs|libssl[0-9.]+|gnutls|libgnutls[0-9]+)\Z"
)
_DAY = 86400.0


def needs(host, max_uptime_days):
    """Return [{"source", "reason"}] of everything that asks for a restart, none where nothing does."""
    found = _newer_kernel(host) + _deleted_code(host) + _packages(host) + _flag(host)
    days = processes.age(host) / _DAY
    if days > max_uptime_days:
        reason = "process 1 runs for %d days, policy allows %d" % (days, max_uptime_days)
        found.append({"source": "uptime", "reason": reason})
    return [{"source": need["source"], "reason": frames.clean_text(need["reason"])} for need in found]


def _newer_kernel(host):
    newest = (kernels.installed(host) or [None])[-1]
    now = kernels.running()
    if newest is None or kernels.version_key(newest) <= kernels.version_key(now):
        return []
    return [{"source": "kernel", "reason": "kernel %s runs, %s is installed" % (now, newest)}]


def _deleted_code(host):
    found = processes.deleted_code(host)
    if not found:
        return []
    shown = ["%s (%s)" % (path, ", ".join(found[path][:4])) for path in sorted(found)[:4]]
    more = " and %d more" % (len(found) - 4) if len(found) > 4 else ""
    return [{"source": "deleted files", "reason": "in use, but replaced on disk: %s%s" % ("; ".join(shown), more)}]


def _packages(host):
    began = time.time() - processes.age(host)
    # What is dated later than now was dated by a wrong clock and tells nothing.
    newer = sorted(name for name, when in _installed_at(host).items() if began < when <= time.time())
    if not newer:
        return []
    return [{"source": "packages", "reason": "installed since the start: %s" % ", ".join(newer[:6])}]


def _installed_at(host):
    """Return {package: seconds since 1970} of the installed packages that only a restart brings into use."""
    found = {}
    for name in host.names("/var/lib/dpkg/info"):
        package = name[: -len(".list")].partition(":")[0] if name.endswith(".list") else ""
        if _CORE.match(package):
            found[package] = os.path.getmtime(host.path("/var/lib/dpkg/info/" + name))
    if not found and host.has("rpm"):
        _, out, _ = host.run(["rpm", "-qa", "--queryformat", "%{NAME} %{INSTALLTIME}\\n"], seconds=120)
        for line in out.splitlines():
            package, _, when = line.partition(" ")
            if _CORE.match(package) and when.isdigit():
                found[package] = max(found.get(package, 0.0), float(when))
    return found


def _flag(host):
    if host.exists("/var/run/reboot-required"):
        packages = sorted(set((host.read("/var/run/reboot-required.pkgs") or "").split()))
        reason = "the package manager asks for it (/var/run/reboot-required)"
        return [{"source": "flag", "reason": reason + (": %s" % ", ".join(packages[:6]) if packages else "")}]
    if host.has("needs-restarting"):
        code, out, _ = host.run(["needs-restarting", "-r"], seconds=120)
        if code == 1:
            lines = [line.strip() for line in out.splitlines() if "->" in line]
            reason = "needs-restarting -r asks for it" + (": %s" % ", ".join(lines[:6]) if lines else "")
            return [{"source": "flag", "reason": reason}]
    return []
