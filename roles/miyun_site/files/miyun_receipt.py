#!/usr/bin/python3
"""Signs what the second site holds: every file of a repository hashed against its own name.

restic names each file by the SHA-256 of its content, so intactness is proven here without any key of the repository.
A file that was hashed once and has not changed since is read again in a rotation of four weeks: each run reads, the
oldest reading first, as large a part of all as the time since the run before is of four weeks, and whatever was read
longer ago than that. So nothing that was missed waits for another turn. Prints {"receipt": text, "signature": text}.
Standard library only.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import time

import repository_gate
import site_limits

STORE = "/srv/miyun"
KEY = "/var/lib/miyun-sign/receipt_key"
REMEMBERED = "/var/lib/miyun-sign/hashed"
PINS = "/var/lib/miyun-sign/pins"
NAMESPACE = "yunwei-receipt"
KINDS = ("data", "index", "keys", "snapshots")
PERIOD = 28 * 86400
NAME = re.compile(r"^[0-9a-f]{64}$")
BLOCK = 1 << 20
FORMAT = 2  # of what is remembered
KEPT_EVERY = 1 << 30
NEVER = {"identity": None, "read": 0}


def files_of(repository):
    """Yield (path below the repository, stat) of every file that must be named by its content, sorted."""
    for kind in KINDS:
        for folder, folders, names in os.walk(os.path.join(repository, kind)):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                yield os.path.relpath(path, repository), os.lstat(path)


def identity(found):
    """Return what changes when a file is written again."""
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def digest(path):
    """Return the SHA-256 of a file."""
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        forget_memory(stream)
        for block in iter(lambda: stream.read(BLOCK), b""):
            total.update(block)
    return total.hexdigest()


def forget_memory(stream):
    """Let what is read next come from the disk or the share, not from this host's memory of what it wrote there."""
    os.fsync(stream.fileno())
    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_whole(path):
    """Tell whether a file's content is what its name says; what the disk cannot read any more is not."""
    name = os.path.basename(path)
    try:
        return bool(NAME.match(name)) and digest(path) == name
    except OSError as error:
        if error.errno == errno.EIO:
            return False
        raise


def due(files, memory, now):
    """Return (the paths to read now, how many bytes of the turn are left to the next run).

    First what is new or changed, then what has its turn, the oldest reading first. A time that lies in the future, as
    after a clock that was wrong, says nothing: it is older than all others.
    """
    new, known = [], []
    total, passed = sum(found.st_size for _, found in files), now - memory["reached"]
    share = memory["left"] + total * passed / PERIOD if 0 <= passed < PERIOD else total
    for path, found in files:
        last = memory["files"].get(path, NEVER)
        if last["identity"] != identity(found):
            new.append(path)
            continue
        read = last["read"] if last["read"] <= now else 0
        known.append((read, path, found.st_size))
        share -= found.st_size if read > memory["reached"] else 0  # read by a run that was killed
    turn = []
    for read, path, size in sorted(known):
        if now - read < PERIOD and (size > share or read > memory["reached"]):
            return new + turn, share if size > share > 0 else 0
        share -= size
        turn.append(path)
    return new + turn, 0


def examine(repository, files, reading, now, keep):
    """Hash what is to be read and return (summary, what was found and not yet kept).

    Args:
        repository: the folder.
        files: what `files_of` yields of it, or a part of that.
        reading: the paths to read, as `due` returns them.
        now: seconds since 1970.
        keep: is given what was found, {path: {"identity", "read"}}, as often as so much was read that it would be a
            loss: a run that is killed has not read in vain.
    """
    found, bytes_read, gone, bad = {}, 0, set(), []
    stats = dict(files)
    for path in reading:
        try:
            is_good = is_whole(os.path.join(repository, path))
        except FileNotFoundError:  # pruned meanwhile
            gone.add(path)
            continue
        found[path] = {"identity": identity(stats[path]), "read": now} if is_good else NEVER
        bad += [] if is_good else [path]
        bytes_read += stats[path].st_size
        if bytes_read >= KEPT_EVERY:
            keep(found)
            found, bytes_read = {}, 0
    return summary_of([pair for pair in files if pair[0] not in gone], len(reading), sorted(bad)), found


def summary_of(files, hashed, bad):
    """Return what a receipt says of the files."""
    listing = hashlib.sha256()
    for path, found in files:
        listing.update(("%s %d\n" % (path, found.st_size)).encode("ascii", "backslashreplace"))
    good = [os.path.basename(path) for path, _ in files if path.startswith("snapshots/") and path not in bad]
    return {
        "files": len(files),
        "bytes": sum(found.st_size for _, found in files),
        "hashed": hashed,
        "snapshots": good,
        "bad": bad,
        "listing_sha256": listing.hexdigest(),
    }


def held_against_pins(system, repository):
    """Return which repository keys are there, and which differ from those that this site has pinned.

    The first receipt pins what is there. Whoever really changes a key of the repository is this site's administrator,
    and removes the pins then.
    """
    path = os.path.join(PINS, system + ".json")
    found = sorted(os.listdir(os.path.join(repository, "keys")))
    try:
        with open(path) as stream:
            pinned = json.load(stream)
    except FileNotFoundError:
        pinned = found
        write_whole(path, pinned)
        os.chmod(path, 0o644)
    return {"pinned": pinned, "added": sorted(set(found) - set(pinned)), "gone": sorted(set(pinned) - set(found))}


def held_against_quota(system, repository):
    """Return the bytes that the system keeps here, counted as the gate counts them, and its quota."""
    try:
        quota = site_limits.read_limits(system)["quota_bytes"]
    except site_limits.NoLimitsError:
        quota = None
    return {"used_bytes": site_limits.used_bytes(repository), "quota_bytes": quota}


def remembered(system):
    """Return what earlier runs read: {"reached": when the last one ended, "left", "files": {path: reading}}.

    "left" are the bytes that it left of its turn. A reading is {"identity", "read": when}; what was found damaged has
    no identity. Nothing is remembered where that cannot be read, so that all is read again.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        with open(os.path.join(REMEMBERED, system + ".json")) as stream:
            memory = json.load(stream)
        if memory["format"] == FORMAT:
            return memory
    return {"format": FORMAT, "reached": 0, "left": 0, "files": {}}


def remember(system, found, **more):
    """Add what a run found to what is remembered, whole or not at all; other runs may be at work beside it."""
    with alone(os.path.join(REMEMBERED, system + ".lock")):
        memory = remembered(system)
        files = dict(memory["files"], **found)
        repository = os.path.join(STORE, system)
        files = {path: files[path] for path in files if os.path.lexists(os.path.join(repository, path))}
        write_whole(os.path.join(REMEMBERED, system + ".json"), dict(memory, files=files, **more))


@contextlib.contextmanager
def alone(path):
    """Hold the lock at `path` alone for as long as the block lasts."""
    with open(path, "a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write_whole(path, content):
    """Write a JSON file so that it is there whole or not at all."""
    with open(path + ".new", "w") as stream:
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(path + ".new", path)


def sign(text, namespace):
    """Return the site's signature over a text, as `ssh-keygen -Y verify` reads it in the same namespace."""
    command = ["/usr/bin/ssh-keygen", "-q", "-Y", "sign", "-f", KEY, "-n", namespace, "-"]
    done = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signature, words = done.communicate(text.encode("ascii"))
    if done.returncode:
        raise SystemExit("miyun_receipt: it cannot be signed: %s" % words.decode("ascii", "replace").strip())
    return signature.decode("ascii")


def read_again(system, now, only_known=False):
    """Examine a system's repository and remember what was found; return the summary."""
    repository, memory = os.path.join(STORE, system), remembered(system)
    files = [pair for pair in files_of(repository) if pair[0] in memory["files"] or not only_known]
    reading, left = due(files, memory, now)
    summary, found = examine(repository, files, reading, now, lambda found: remember(system, found))
    remember(system, found, reached=now, left=left)
    return summary


def main(system):
    """Print the signed receipt of one system's repository."""
    now = time.time()
    on_share = repository_gate.demand_share()
    repository = os.path.join(STORE, system)
    if not os.path.isfile(os.path.join(repository, "config")):
        raise SystemExit("miyun_receipt: there is no repository of %s at this site yet" % system)
    summary = read_again(system, now)
    receipt = {"format": 1, "site": "miyun", "system": system, "share": on_share}
    receipt.update(keys=held_against_pins(system, repository), quota=held_against_quota(system, repository))
    receipt.update(summary, time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))
    text = json.dumps(receipt, sort_keys=True)
    print(json.dumps({"receipt": text, "signature": sign(text, NAMESPACE)}))


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.match(r"^[a-z][a-z0-9_]{0,40}$", sys.argv[1]):
        raise SystemExit("miyun_receipt: usage: miyun_receipt.py SYSTEM")
    main(sys.argv[1])
