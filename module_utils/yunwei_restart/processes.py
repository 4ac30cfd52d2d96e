"""Processes, from /proc alone: the age of process 1, who listens, who uses deleted files, who sits at a terminal."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import re
import socket
import struct

_CODE = ("/usr/", "/lib", "/bin/", "/sbin/", "/opt/")
_DELETED = " (deleted)"
_LISTENING, _UNCONNECTED = "0A", "07"
_SOCKET = re.compile(r"\Asocket:\[(\d+)\]\Z")


class Process:
    """One process: pid, parent's pid, terminal (0: none), start in clock ticks since the machine's start."""

    def __init__(self, host, pid):
        """Read it; raises ValueError where it has ended."""
        stat = host.read("/proc/%s/stat" % pid)
        if not stat or ")" not in stat:
            raise ValueError(pid)
        front, _, rest = stat.rpartition(")")
        fields = rest.split()
        self.pid = int(pid)
        self.name = front.partition("(")[2]
        self.parent, self.terminal, self.start = int(fields[1]), int(fields[4]), int(fields[19])


def identity(host):
    """Return what every start of the host has for itself: the kernel's boot id and the start of process 1.

    In a container the first never changes; the second does, and no clock has part in it.
    """
    boot = (host.read("/proc/sys/kernel/random/boot_id") or "").strip()
    return "%s:%d" % (boot, Process(host, 1).start)


def age(host):
    """Return the seconds since process 1 began, by the kernel's own count, which no change of the clock moves."""
    uptime = float((host.read("/proc/uptime") or "0").split()[0])
    return max(0.0, uptime - Process(host, 1).start / float(os.sysconf("SC_CLK_TCK")))


def processes(host):
    """Return every process that is there."""
    found = []
    for name in host.names("/proc"):
        if name.isdigit():
            try:
                found.append(Process(host, name))
            except ValueError:
                pass  # it has ended meanwhile
    return found


def command_line(host, process):
    """Return the words of a process, joined by spaces."""
    return (host.read("/proc/%d/cmdline" % process.pid) or "").replace("\0", " ").strip()


def own_family(everybody, pid):
    """Return the pids of `pid`, of those it descends from, and of its children's children.

    Not of its ancestors' other children: below sshd they are other people's sessions.
    """
    parents = dict((one.pid, one.parent) for one in everybody)
    family, grown = set([pid]), True
    while grown:
        children = set(one for one, parent in parents.items() if parent in family)
        grown = bool(children - family)
        family |= children
    while parents.get(pid, 0) > 1:
        pid = parents[pid]
        family.add(pid)
    return family


def deleted_code(host):
    """Return {path: names of the processes} of programs and libraries in use whose file was replaced or removed."""
    found = {}
    for process in processes(host):
        for line in (host.read("/proc/%d/maps" % process.pid) or "").splitlines():
            fields = line.split(None, 5)
            if len(fields) == 6 and "x" in fields[1] and fields[5].endswith(_DELETED):
                path = fields[5][: -len(_DELETED)]
                if path.startswith(_CODE):
                    found.setdefault(path, set()).add(process.name)
    return dict((path, sorted(names)) for path, names in found.items())


def unit_of(host, pid):
    """Return the unit of systemd that a process belongs to: `x.service`, `session-3.scope`; None where unknown."""
    machine = (_cgroup(host, 1) or "").rpartition("/init.scope")[0]
    path = _cgroup(host, pid) or ""
    if machine and path.startswith(machine + "/"):
        path = path[len(machine) :]
    units = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
    return units[0] if units else None


def _cgroup(host, pid):
    """Return the path in systemd's hierarchy, or in the only one of version 2."""
    found = {}
    for line in (host.read("/proc/%d/cgroup" % pid) or "").splitlines():
        number, _, rest = line.partition(":")
        controller, _, path = rest.partition(":")
        found[controller or number] = path
    return found.get("name=systemd", found.get("0"))


def listeners(host):
    """Return {"tcp 0.0.0.0:22": [pids]} of every socket that waits to be asked."""
    owners, closed = _socket_owners(host)
    first_free = int((host.read("/proc/sys/net/ipv4/ip_local_port_range") or "32768").split()[0])
    found = {}
    for protocol, wanted in (("tcp", _LISTENING), ("tcp6", _LISTENING), ("udp", _UNCONNECTED), ("udp6", _UNCONNECTED)):
        for line in (host.read("/proc/net/%s" % protocol) or "").splitlines()[1:]:
            fields = line.split()
            address, port = _address(fields[1])
            # An unconnected UDP socket of a free port is a client that waits for its answer.
            if fields[3] == wanted and (protocol.startswith("tcp") or port < first_free):
                name = "%s %s:%d" % (protocol[:3], address, port)
                # Whose descriptors may not be read, as in a container: every such process of the socket's account.
                found.setdefault(name, set()).update(owners.get(fields[9]) or closed.get(int(fields[7]), ()))
    return dict((name, sorted(pids)) for name, pids in found.items())


def _address(text):
    """Return (address, port) of the kernel's hexadecimal spelling: words of the machine's own byte order."""
    words, _, port = text.partition(":")
    raw = b"".join([struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8)])
    shown = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
    return (shown if len(raw) == 4 else "[%s]" % shown), int(port, 16)


def _socket_owners(host):
    """Return ({inode: pids} of every open socket, {uid: pids} of processes whose descriptors may not be read)."""
    found, closed = {}, {}
    for process in processes(host):
        folder = host.path("/proc/%d/fd" % process.pid)
        try:
            links = [_link(os.path.join(folder, name)) for name in os.listdir(folder)]
        except EnvironmentError as error:
            if error.errno == errno.EACCES:
                closed.setdefault(_uid(host, process.pid), set()).add(process.pid)
            continue
        for match in filter(None, map(_SOCKET.match, links)):
            found.setdefault(match.group(1), set()).add(process.pid)
    return found, closed


def _link(path):
    try:
        return os.readlink(path)
    except EnvironmentError as error:
        if error.errno != errno.ENOENT:
            raise
        return ""  # closed meanwhile


def _uid(host, pid):
    try:
        return os.stat(host.path("/proc/%d" % pid)).st_uid
    except EnvironmentError:
        return None
