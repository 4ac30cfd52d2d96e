"""Takes away everything that a restore made in its work folder, and nothing else."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import re
import stat
import time

from . import commands, instance, scan, workdir
from .errors import NotJudgedError

BEGINNING_SECONDS = 60


def run(unit, report, work):
    """Destroy what this restore made, unless a failed drill is to be kept; returns whether anything was removed."""
    started = time.time()
    if not work.is_ours():
        report.facts.update(what=[], kept=False, seconds=0.0)
        return False
    work.load()
    report.facts["warnings"] = _still_stopped(unit, work)
    if unit["keep_on_failure"] and work.state.get("verdict"):
        work.state["kept"] = True
        work.save()
        report.facts.update(what=[], kept=True, seconds=0.0)
        return True
    removed = destroy(work)
    seconds = round(time.time() - started, 3)
    report.facts.update(what=removed, kept=False, seconds=seconds, free_before=work.state.get("free_before"))
    return True


def _still_stopped(unit, work):
    """Return what a person must know whose recovery failed after the services were stopped."""
    if unit["mode"] != "recover" or not unit["services"] or not work.state.get("verdict"):
        return []
    names = ", ".join("%(unit)s on %(host)s" % one for one in unit["services"])
    return ["The recovery did not succeed. Services that it stopped stay stopped: %s" % names]


def show(unit, report, work, free_before):
    """Scan the host afresh and report what is left; returns False: nothing is changed."""
    ports = [port_of(unit["application"]["probe"]["url"])] if unit["application"] and unit["mode"] == "drill" else []
    proof, clean = prove(work.path, work.restore_id, free_before, [port for port in ports if port])
    report.facts.update(proof=proof, ok=clean)
    if not clean:
        left = ", ".join(sorted(key for key in proof if key.endswith("_left") and proof[key]))
        report.blame(NotJudgedError(work.path, "what was restored is not all gone: %s" % left, "remove it by hand"))
    return False


def port_of(url):
    """Return the port that an http address names, 80 where it names none."""
    found = re.match(r"\Ahttps?://[^/:]+(?::(\d+))?", url)
    return int(found.group(1) or 80) if found else None


def destroy(work):
    """Stop what runs from `work` (WorkDir), remove its folder and return what was removed as a list of text.

    Raises NotJudgedError when the folder does not carry this restore's marker: it is then left as it is.
    """
    if not os.path.lexists(work.path):
        return []
    if not work.is_ours():
        raise NotJudgedError(work.path, "its marker is not that of this restore", "look at it; nothing was removed")
    if scan.mounts_below(work.path):
        raise NotJudgedError(work.path, "a file system is mounted inside", "unmount it; nothing was removed")
    removed = ["database instance"] if instance.stop(work) else []
    killed = _kill_all(work)
    if work.load().state.get("mode") == "drill":
        removed += _remove_shared_memory()
    removed += ["%d processes" % killed] if killed else []
    files, size = remove_tree(work.path)
    return removed + ["%d files" % files, "%d bytes" % size, work.path]


def prove(work_path, restore_id, free_before, ports=()):
    """Return (proof, whether nothing is left) from a scan made afresh."""
    left = scan.scan(work_path, restore_id, ports)
    proof = dict((key + "_left", value) for key, value in left.items())
    proof["scanned_at"] = round(time.time(), 3)
    proof["free_bytes_before"] = free_before
    proof["free_bytes_after"] = workdir.free_bytes(work_path)
    return proof, not [value for value in left.values() if value]


def leftovers(parent, system, stale_seconds):
    """Return [(WorkDir, why it may be swept or None)] for the work folders that earlier restores left in `parent`.

    A folder of the same system is a dead run's: one run holds the system's lock at a time. One of another system is
    only dead when it was not touched for `stale_seconds`. What was kept on purpose is never swept.
    """
    found = []
    for name in sorted(os.listdir(parent)) if os.path.isdir(parent) else []:
        try:
            work = workdir.WorkDir(os.path.join(parent, name)).load()
        except (NotJudgedError, ValueError, OSError, IOError):
            continue
        found.append((work, _may_sweep(work, system, stale_seconds)))
    return found


def remove_tree(path):
    """Remove the folder `path` without following a link; returns (entries, bytes of files) that were removed."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        counted = _empty(handle)
    finally:
        os.close(handle)
    os.rmdir(path)
    return counted


def _may_sweep(work, system, stale_seconds):
    if work.state.get("kept"):
        return None
    if work.state.get("system") == system:
        return "its run is dead"
    if not work.state:
        return "it never began" if time.time() - os.lstat(work.path).st_mtime > BEGINNING_SECONDS else None
    touched = os.lstat(work.part(workdir.STATE)).st_mtime
    return "untouched for %d seconds" % stale_seconds if time.time() - touched > stale_seconds else None


def _remove_shared_memory():
    """Remove what a server leaves that died the hard way (a full disk, a kill); returns what was removed.

    Preflight let no drill begin where there was any, so it is the drill's own. What is in use is never touched.
    """
    left = scan.shared_memory()
    for name in left:
        if name.startswith("/"):
            os.unlink(name)
        else:
            commands.run(["ipcrm", "-m", name.split()[-1]], instance.OS_USER)
    return ["%d segments of shared memory" % len(left)] if left else []


def _kill_all(work):
    """Kill until no process is left: one that was forking may leave a child behind."""
    killed = 0
    for _round in range(20):
        found = scan.processes(work.path, work.restore_id)
        if not found:
            break
        killed += scan.kill(found)
        time.sleep(0.1)
    return killed


def _empty(handle):
    """Remove every entry of the open folder; returns (entries, bytes of files)."""
    entries, size = 0, 0
    base = ("/proc/self/fd/%d/" % handle).encode("ascii")
    for name in os.listdir(base):
        found = os.lstat(base + name)
        if stat.S_ISDIR(found.st_mode):
            inner = _enter(base + name)
            try:
                below = _empty(inner)
            finally:
                os.close(inner)
            entries, size = entries + below[0], size + below[1]
            os.rmdir(base + name)
        else:
            os.unlink(base + name)
            size += found.st_size if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else 0
        entries += 1
    return entries, size


def _enter(way):
    try:
        return os.open(way, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise NotJudgedError(repr(way), "an entry was swapped while it was removed", "look at the host")
        raise
