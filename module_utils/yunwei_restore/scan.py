"""Looks for anything that a restore left on a host: processes, sockets, ports, units, shared memory, files."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import glob
import os
import pwd
import signal

from . import commands
from .application import MARK
from .instance import OS_USER, PORT

_LISTENING = "0A"


def scan(path, restore_id, ports=()):
    """Return {"processes", "ports", "sockets", "files", "units", "shared_memory"}: lists of what is left.

    `path` is the work folder, `ports` TCP ports that the restored things used. All lists empty means nothing is left.
    """
    found = processes(path, restore_id)
    return {
        "processes": ["%d %s" % (pid, command) for pid, command in found],
        "ports": ["tcp %d" % port for port in listening(tuple(ports) + (PORT,))],
        "sockets": sockets(path),
        "files": [path] if os.path.lexists(path) else [],
        "units": units(restore_id),
        "shared_memory": shared_memory(),
    }


def processes(path, restore_id):
    """Return [(pid, command line)] of every process that works in, runs from or was marked with this restore."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        pid = int(os.path.basename(folder))
        if pid != os.getpid() and _belongs(folder, path, restore_id):
            command = _read(folder + "/cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()
            found.append((pid, command[:200]))
    return sorted(found)


def database_servers():
    """Return the ids of PostgreSQL server processes (the one process of each cluster that has children)."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        words = _read(folder + "/cmdline").split(b"\0")
        if os.path.basename(words[0]) in (b"postgres", b"postmaster", b"kingbase") and b"-D" in words:
            found.append(int(os.path.basename(folder)))
    return sorted(found)


def clusters():
    """Return the data folders of PostgreSQL clusters in the places where packages put them."""
    found = []
    for pattern in ("/var/lib/postgresql/*/*", "/var/lib/pgsql/data", "/var/lib/pgsql/*/data"):
        found += [folder for folder in glob.glob(pattern) if os.path.exists(os.path.join(folder, "PG_VERSION"))]
    return sorted(found)


def listening(ports):
    """Return those of `ports` on which something listens, on IPv4 or IPv6."""
    open_ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _read(table).decode("ascii", "replace").splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTENING:
                open_ports.add(int(words[1].rsplit(":", 1)[1], 16))
    return sorted(open_ports & set(ports))


def sockets(path):
    """Return the Unix sockets that are bound below `path`."""
    found = []
    for line in _read("/proc/net/unix").decode("utf-8", "replace").splitlines():
        words = line.split()
        if words and words[-1].startswith(path + "/"):
            found.append(words[-1])
    return sorted(set(found))


def units(restore_id):
    """Return the systemd units whose name carries the restore's id; none where there is no systemd."""
    if not os.path.isdir("/run/systemd/system"):
        return []
    listed = commands.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "*%s*" % restore_id])
    return [line.split()[0] for line in listed.decode("utf-8", "replace").splitlines() if line.split()]


def shared_memory():
    """Return segments of shared memory that no process uses any more and that only a database server makes."""
    if database_servers():
        return []
    left = sorted(glob.glob("/dev/shm/PostgreSQL.*"))  # noqa: S108 - looked at, not written
    return left + ["segment %d" % number for number in unused_segments(account_number(OS_USER))]


def unused_segments(uid):
    """Return the ids of the System V segments of the account `uid` that no process is attached to."""
    lines = [line.split() for line in _read("/proc/sysvipc/shm").decode("ascii", "replace").splitlines()[1:]]
    return [int(words[1]) for words in lines if words[6] == "0" and words[7] == str(uid)]


def account_number(account):
    """Return the number of the account, None when the host does not know it."""
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        return None


def _belongs(folder, path, restore_id):
    # Anybody may read a command line; servers and programs of a restore carry its path or its id there.
    command = _read(folder + "/cmdline")
    if (path + "/").encode("utf-8") in command or ("yunwei-" + restore_id).encode("utf-8") in command:
        return True
    mark = ("%s=%s" % (MARK, restore_id)).encode("utf-8")
    places = [_place(folder, name) for name in ("cwd", "exe", "root")]
    inside = [place for place in places if place == path or place.startswith(path + "/")]
    return bool(inside) or mark in _environment(folder).split(b"\0")


def _place(folder, name):
    """Return where a link of a process leads; in a container root may need to be the process's own user to see it."""
    try:
        return os.readlink(os.path.join(folder, name))
    except OSError as error:
        return _as_its_user(folder, ["readlink", name], error).decode("utf-8", "replace").strip()


def _environment(folder):
    try:
        with open(folder + "/environ", "rb") as stream:
            return stream.read()
    except (OSError, IOError) as error:
        return _as_its_user(folder, ["cat", "environ"], error)


def _as_its_user(folder, command, error):
    """Return what `command` on an entry of the process's folder says when its own user asks; nothing if that fails."""
    if error.errno not in (errno.EACCES, errno.EPERM) or os.getuid() != 0:
        return b""  # the process is gone
    numbers = dict(line.split(":", 1) for line in _read(folder + "/status").decode("ascii", "replace").splitlines())
    try:
        user = (int(numbers["Uid"].split()[0]), int(numbers["Gid"].split()[0]), [])
        return commands.run([command[0], os.path.join(folder, command[1])], user)
    except (KeyError, ValueError, OSError, commands.CommandError):
        return b""


def _read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (OSError, IOError):
        return b""  # the process is gone, or the kernel has no such table


def mounts_below(path):
    """Return the mount points below `path`; removing must not walk into another file system."""
    return [place for place in _mount_points() if place.startswith(path + "/")]


def mounts_moved_with(path):
    """Return the mount points at and below `path`: in the way of renaming it, or taken along. A link is no mount."""
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return [place for place in _mount_points() if place == path or place.startswith(path + "/")]


def _mount_points():
    lines = _read("/proc/self/mounts").decode("utf-8", "replace").splitlines()
    return [line.split()[1].replace("\\040", " ") for line in lines]


def kill(found):
    """Kill the processes [(pid, command)] of scan.processes and return how many there were."""
    for pid, _command in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise
    return len(found)
