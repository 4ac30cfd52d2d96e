"""systemd's units: which run, and which of them the next start brings back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from .host import finding
from .processes import listeners, processes, unit_of

_ASKED = ("Id", "UnitFileState", "WantedBy", "RequiredBy", "TriggeredBy", "BoundBy")
_SESSION = re.compile(r"\A(session-.*\.scope|user@.*\.service|user-runtime-dir@.*\.service)\Z")


def running(host):
    """Return the services that run now, those of sessions left out."""
    code, out, _ = host.run(
        ["systemctl", "list-units", "--type=service", "--state=running", "--no-legend", "--plain", "--full"]
    )
    names = [line.split()[0] for line in out.splitlines() if line.split()] if code == 0 else []
    return sorted(name for name in names if not _SESSION.match(name))


def inactive(host, names):
    """Return those of the services that are not active now."""
    return [name for name in names if host.run(["systemctl", "is-active", "--quiet", name])[0] != 0]


def comes_back(host, unit, depth=4):
    """Return None where the next start starts `unit`, else why it does not, in words."""
    if _SESSION.match(unit):
        return "started by hand in a session"
    shown = _show(host, unit)
    state = shown.get("UnitFileState", "")
    if state == "enabled" or unit.endswith(".target"):
        return None
    if state in ("transient", "masked", "masked-runtime"):
        return "made at run time" if state == "transient" else "masked"
    if state == "enabled-runtime":
        # What a generator enables is enabled anew at every start; what a person did in /run is gone then.
        pullers = _generated_pullers(host, unit)
    else:
        pullers = [name for key in _ASKED[2:] for name in shown.get(key, "").split() if name != unit]
    if [name for name in pullers if depth and comes_back(host, name, depth - 1) is None]:
        return None
    return "not enabled (%s)" % (state or "no unit file")


def unsure_listeners(host):
    """Return a finding for every listener that the next start would not bring back."""
    found, names = [], dict((process.pid, process.name) for process in processes(host))
    for socket, pids in sorted(listeners(host).items()):
        holders = dict((unit_of(host, pid) or pid, pid) for pid in reversed(pids))
        reasons = [_why_not(host, socket, pid, names) for pid in sorted(holders.values())]
        if not pids:
            reasons = ["nobody is seen to hold it: a kernel service, or a process that has just ended"]
        # Held by several: the one that comes back takes it again.
        if None not in reasons:
            item = "listener:" + socket.replace(" ", "/")
            found.append(finding(item, "%s: %s; enable its service, or stop it" % (socket, "; ".join(reasons))))
    return found


def _why_not(host, socket, pid, names):
    if pid == 1:
        return None if _socket_unit(host, socket) else "held by systemd for a socket unit that is not enabled"
    unit = unit_of(host, pid)
    shown = "%s (process %d)" % (names.get(pid, "a process"), pid)
    if unit is None:
        return "%s belongs to no service" % shown
    reason = comes_back(host, unit)
    return reason and "%s of %s: %s" % (shown, unit, reason)


def _socket_unit(host, socket):
    """Return whether an enabled socket unit listens on the port of `socket`."""
    code, out, _ = host.run(
        ["systemctl", "list-units", "--type=socket", "--state=active", "--no-legend", "--plain", "--full"]
    )
    port = socket.rpartition(":")[2]
    for line in out.splitlines() if code == 0 else []:
        unit = line.split()[0]
        places = _show(host, unit, ("Listen", "ListenStream", "ListenDatagram"))
        words = " ".join(places.values()).split()
        if [word for word in words if word.rpartition(":")[2] == port] and comes_back(host, unit) is None:
            return True
    return False


def _generated_pullers(host, unit):
    """Return the units that a generator, which runs at every start, lets pull `unit` in."""
    found = []
    for folder in ("/run/systemd/generator", "/run/systemd/generator.early", "/run/systemd/generator.late"):
        for name in host.names(folder):
            puller, _, kind = name.rpartition(".")
            if kind in ("wants", "requires") and unit in host.names("%s/%s" % (folder, name)):
                found.append(puller)
    return found


def _show(host, unit, asked=_ASKED):
    arguments = [word for key in asked for word in ("-p", key)]
    _, out, _ = host.run(["systemctl", "show", unit] + arguments)
    pairs = [line.partition("=") for line in out.splitlines() if "=" in line]
    return dict((key, value) for key, _, value in pairs)
