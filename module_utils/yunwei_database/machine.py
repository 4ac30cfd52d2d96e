"""How much memory and how many CPUs a process of a server may use: the machine's, or less where a cgroup says so."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import io
import os

from .faults import DatabaseError

_KIB = 1024
# The name of version 2 of cgroups in /proc/PID/cgroup: one tree for every controller.
_UNIFIED = ""
_MEMORY_FILES = ("memory.limit_in_bytes", "memory.max", "memory.high")


class UnseenError(DatabaseError):
    """A limit may be there and cannot be read."""


def read_machine(pid, root="/"):
    """Return (machine, unknown) for a session's process of a PostgreSQL server on this host.

    Args:
        pid: of the process, as the server knows it.
        root: where the host's files are.

    `machine` has "memory" ({"bytes", "limit"}) and "cpus" ({"count", "limit"}): `limit` is the file that allows less
    than the machine has, or None. What could not be read is missing and in `unknown` ([{"part", "reason"}]).
    """
    machine, unknown = {}, []
    for part, read in (("memory", _memory), ("cpus", _cpus)):
        try:
            _demand_server(root, pid)
            machine[part] = read(root, pid)
        except UnseenError as error:
            unknown.append({"part": part, "reason": error.message})
        except (EnvironmentError, ValueError) as error:
            unknown.append({"part": part, "reason": "%s" % error})
    return machine, unknown


def _demand_server(root, pid):
    """Refuse a number that is another process's here, as it is where the server has process numbers of its own."""
    try:
        title = _text(root, "/proc/%d/cmdline" % pid)
    except EnvironmentError:
        title = ""
    if not title.startswith("postgres:"):
        raise UnseenError("process %d of the server is not seen on this host: is it in a container of its own?" % pid)


def _memory(root, pid):
    fields = dict(line.split(":", 1) for line in _text(root, "/proc/meminfo").splitlines() if ":" in line)
    if "MemTotal" not in fields:
        raise UnseenError("/proc/meminfo has no MemTotal")
    found = {"bytes": int(fields["MemTotal"].split()[0]) * _KIB, "limit": None}
    for folder in _folders(root, pid, "memory"):
        for name in _MEMORY_FILES:
            words = _words(root, os.path.join(folder, name))
            if words and words[0] != "max" and int(words[0]) < found["bytes"]:
                found = {"bytes": int(words[0]), "limit": os.path.join(folder, name)}
    return found


def _cpus(root, pid):
    place = "/proc/%d/status" % pid
    fields = dict(line.split(":", 1) for line in _text(root, place).splitlines() if ":" in line)
    if "Cpus_allowed_list" not in fields:
        raise UnseenError("%s has no Cpus_allowed_list" % place)
    found = {"count": _count(fields["Cpus_allowed_list"].strip()), "limit": None}
    for folder in _folders(root, pid, "cpu"):
        for name, (quota, period) in _quotas(root, folder):
            share = round(float(quota) / float(period), 2)
            if share < found["count"]:
                found = {"count": share, "limit": os.path.join(folder, name)}
    return found


def _count(numbers):
    """Return how many numbers a list such as `0-3,8` has."""
    found = 0
    for part in numbers.split(","):
        first, _, last = part.partition("-")
        found += int(last or first) - int(first) + 1
    return found


def _quotas(root, folder):
    """Yield (file, [microseconds of CPU, in so many microseconds]) of the limits of one cgroup."""
    words = _words(root, os.path.join(folder, "cpu.max"))
    if len(words) == 2 and words[0] != "max":
        yield "cpu.max", words
    words = [_words(root, os.path.join(folder, "cpu.cfs_%s_us" % name)) for name in ("quota", "period")]
    if all(words) and int(words[0][0]) > 0:
        yield "cpu.cfs_quota_us", [words[0][0], words[1][0]]


def _folders(root, pid, controller):
    """Return the folders of a process's cgroup and of those above it that limit it, as far up as is seen here."""
    paths = _cgroups(root, pid)
    mounts = _mounts(root)
    found = []
    for name in (controller, _UNIFIED):
        if name not in paths or (name == _UNIFIED and name not in mounts and controller in paths):
            continue  # every kernel has a version 2; where it is not mounted, version 1 has the controller
        found += _chain(root, paths[name], mounts.get(name, []))
    return found


def _cgroups(root, pid):
    """Return {controller: path}; a kernel without cgroups has none."""
    place = "/proc/%d/cgroup" % pid
    found = {}
    for line in _text(root, place).splitlines() if os.path.exists(_at(root, place)) else []:
        _, controllers, path = line.split(":", 2)
        found.update((name, path) for name in controllers.split(","))
    return found


def _mounts(root):
    """Return {controller: [(path at the mount's root, mount point)]}."""
    found = {}
    for line in _text(root, "/proc/self/mountinfo").splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        names = {"cgroup": options.split(","), "cgroup2": [_UNIFIED]}.get(kind, [])
        for name in names:
            found.setdefault(name, []).append(tuple(fields.split()[3:5]))
    return found


def _chain(root, path, mounts):
    for top, point in mounts:
        below = _below(path, top)
        if below is not None and os.path.isdir(_at(root, point + below)):
            parts = [part for part in below.split("/") if part]
            return ["/".join([point] + parts[:count]) for count in range(len(parts), -1, -1)]
    raise UnseenError("the cgroup %s of the server is not seen on this host: its limits are not known" % path)


def _below(path, top):
    """Return what follows `top` in a path, or None where the path is not below it."""
    top = top.rstrip("/")
    if ".." in path.split("/") or not (path + "/").startswith(top + "/"):
        return None
    return path[len(top) :].rstrip("/")


def _words(root, place):
    """Return the words of a limit's file; none where this cgroup has no such limit."""
    return _text(root, place).split() if os.path.exists(_at(root, place)) else []


def _text(root, place):
    with io.open(_at(root, place), encoding="utf-8", errors="replace") as file:
        return file.read()


def _at(root, place):
    return os.path.join(root, place.lstrip("/"))
