#!/usr/bin/python3
"""Signs what the second site holds: every file of a repository hashed against its own name.

restic names each file by the SHA-256 of its content, so intactness is proven here without any key of the repository.
A file that was hashed once and has not changed since is not read again, except one part in thirty a day, so that
everything is read again within a month. Prints {"receipt": text, "signature": text}. Standard library only.
"""

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
DAYS = 30
NAME = re.compile(r"^[0-9a-f]{64}$")
BLOCK = 1 << 20


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


def is_turn(name, day):
    """Tell whether a known file is read again on this day."""
    return int(name[:8], 16) % DAYS == day % DAYS


def examine(repository, known, day):
    """Hash what is new or due, and return (summary, what to remember).

    `known` maps a path to the identity that it had when it was found good.
    """
    good, bad = {}, []
    summary = {"files": 0, "bytes": 0, "hashed": 0, "snapshots": [], "bad": bad}
    listing = hashlib.sha256()
    for path, found in files_of(repository):
        name = os.path.basename(path)
        summary["files"] += 1
        summary["bytes"] += found.st_size
        listing.update(("%s %d\n" % (path, found.st_size)).encode("ascii", "backslashreplace"))
        if known.get(path) != identity(found) or is_turn(name, day):
            summary["hashed"] += 1
            if not NAME.match(name) or digest(os.path.join(repository, path)) != name:
                bad.append(path)
                continue
        good[path] = identity(found)
        if path.startswith("snapshots/"):
            summary["snapshots"].append(name)
    summary["listing_sha256"] = listing.hexdigest()
    return summary, good


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
    """Return what earlier receipts found good; nothing where that cannot be read, so that all is read again."""
    try:
        with open(os.path.join(REMEMBERED, system + ".json")) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def remember(system, good):
    """Keep what was found good, whole or not at all."""
    write_whole(os.path.join(REMEMBERED, system + ".json"), good)


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


def main(system):
    """Print the signed receipt of one system's repository."""
    now = time.time()
    on_share = repository_gate.demand_share()
    repository = os.path.join(STORE, system)
    if not os.path.isfile(os.path.join(repository, "config")):
        raise SystemExit("miyun_receipt: there is no repository of %s at this site yet" % system)
    summary, good = examine(repository, remembered(system), int(now // 86400))
    receipt = {"format": 1, "site": "miyun", "system": system, "share": on_share}
    receipt.update(keys=held_against_pins(system, repository), quota=held_against_quota(system, repository))
    receipt.update(summary, time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))
    text = json.dumps(receipt, sort_keys=True)
    print(json.dumps({"receipt": text, "signature": sign(text, NAMESPACE)}))
    remember(system, good)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.match(r"^[a-z][a-z0-9_]{0,40}$", sys.argv[1]):
        raise SystemExit("miyun_receipt: usage: miyun_receipt.py SYSTEM")
    main(sys.argv[1])
