#!/usr/bin/python3
"""What an inspection may know of this site: one JSON document of facts about the host and one system's repository.

Started by the gate for a reading key. It changes nothing and reads only what its account may read anyway. A fact that
cannot be read is null and its reason stands in `unread`. Standard library only.
"""

import glob
import hashlib
import json
import os
import re
import socket
import sys
import time

ACCOUNTS = (("miyun-append", "append"), ("miyun-read", "read"), ("yunwei-read", "read"))
HOMES = "/var/lib"
PROGRAMS = "/usr/libexec/yunwei"
RULES = "/etc/yunwei/site_rules"
LIMITS = "/etc/yunwei/site_limits"
PINS = "/var/lib/miyun-sign/pins"
LOCKS = "/run/yunwei-locks"
HOST_KEYS = "/etc/ssh/ssh_host_*_key.pub"
RECEIPT_KEY = "/var/lib/miyun-sign/receipt_key.pub"
GATE = re.compile(
    r'^restrict,command="/usr/libexec/yunwei/repository_gate\.py (append|read) ([a-z][a-z0-9_]{0,40}) (/[^" ]*)"'
    r" ([a-z0-9@.-]+ [A-Za-z0-9+/]+=*)( .*)?$"
)
BLOCK = 4096
NEVER_WRITTEN = ("iso9660", "squashfs")


def text_of(path):
    """Return the text of a small file."""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def sha256(text):
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def load():
    """Return how busy the host is."""
    return {"cpus": os.cpu_count(), "fifteen_minutes": os.getloadavg()[2]}


def memory():
    """Return total and available bytes."""
    lines = (line.split() for line in text_of("/proc/meminfo").splitlines())
    sizes = {words[0]: int(words[1]) * 1024 for words in lines if len(words) > 1}
    return {"total_bytes": sizes["MemTotal:"], "available_bytes": sizes["MemAvailable:"]}


def disks(folder):
    """Return every file system on a device, and the one that holds `folder`."""
    mounts = [line.split() for line in text_of("/proc/self/mounts").splitlines()]
    points = [(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), one[1]), one[0], one[2]) for one in mounts]
    real = os.path.realpath(folder)
    store = max(
        (point for point, _, _ in points if os.path.join(real, "").startswith(os.path.join(point, ""))), key=len
    )
    found, seen = [], set()
    for point, device, kind in sorted(points, key=lambda one: one[0] != store):
        wanted = point == store or (device.startswith("/dev/") and kind not in NEVER_WRITTEN and os.path.isdir(point))
        if not wanted or os.stat(point).st_dev in seen:
            continue
        seen.add(os.stat(point).st_dev)
        found.append(disk(point, point == store))
    return found


def disk(point, holds_store):
    """Return the figures of one file system; space that only root may fill does not count as free."""
    size = os.statvfs(point)
    return {
        "mount": point,
        "holds_store": holds_store,
        "total_bytes": size.f_blocks * size.f_frsize,
        "free_bytes": size.f_bavail * size.f_frsize,
        "inodes": size.f_files,
        "free_inodes": size.f_favail,
        "read_only": bool(size.f_flag & os.ST_RDONLY),
    }


def arrays():
    """Return the kernel's disk arrays with the members that each should have and has."""
    text = text_of("/proc/mdstat") if os.path.exists("/proc/mdstat") else ""
    found = re.findall(r"(?m)^(md\S+) : [^\n]*\n[^\n]*\[(\d+)/(\d+)\]", text)
    return [{"name": name, "wanted": int(wanted), "working": int(working)} for name, wanted, working in found]


def repository(system, folder):
    """Return size, quota, snapshots, locks and keys of a repository; None where there is none yet.

    `used_bytes` is counted as the gate of an appender counts it: in whole blocks, one more for each file.
    """
    if not os.path.isfile(os.path.join(folder, "config")):
        return None
    total, used, files = 0, 0, 0
    for place, _, names in os.walk(folder, onerror=fail):
        for name in names:
            size = size_of(os.path.join(place, name))
            total += size
            used += BLOCK + size // BLOCK * BLOCK
            files += 1
    snapshots = dated(os.path.join(folder, "snapshots"))
    return {
        "bytes": total,
        "used_bytes": used,
        "quota_bytes": (shown(LIMITS, system) or {}).get("quota_bytes"),
        "pinned_keys": shown(PINS, system),
        "files": files,
        "snapshots": len(snapshots),
        "newest_snapshot": max((one["since"] for one in snapshots), default=None),
        "locks": dated(os.path.join(folder, "locks")),
        "keys": sorted(one["name"] for one in dated(os.path.join(folder, "keys"))),
    }


def fail(error):
    """Raise what os.walk would pass over."""
    raise error


def size_of(path):
    """Return a file's size; one that was removed meanwhile has none."""
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0


def dated(folder):
    """Return name and time of every file in a folder; locks come and go while one looks."""
    found = []
    for entry in os.scandir(folder):
        try:
            found.append({"name": entry.name, "since": entry.stat(follow_symlinks=False).st_mtime})
        except FileNotFoundError:
            continue
    return found


def host_lock(system):
    """Return since when this host is at work for the system, None where it is not.

    The kernel is asked: taking the lock to try it could refuse a run that starts at that moment.
    """
    path = os.path.join(LOCKS, "yunwei-%s.lock" % system)
    if not os.path.exists(path):
        return None
    found = os.stat(path)
    held = [line.split()[5].rpartition(":")[2] for line in text_of("/proc/locks").splitlines() if " FLOCK " in line]
    return found.st_mtime if str(found.st_ino) in held else None


def accounts(system, folder):
    """Return, for each account, the keys that the gate ties to this system, and how many lines it does not tie."""
    found = []
    for account, mode in ACCOUNTS:
        path = os.path.join(HOMES, account, ".ssh", "authorized_keys")
        if not os.path.exists(path):
            continue
        keys, foreign = [], 0
        for line in text_of(path).splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            tied = GATE.match(line)
            if not tied or tied.group(1) != mode or (tied.group(2) == system) != (tied.group(3) == folder):
                foreign += 1
            elif tied.group(2) == system:
                keys.append(sha256(tied.group(4)))
        found.append({"account": account, "keys": sorted(keys), "foreign": foreign})
    return found


def programs():
    """Return the digest of every program in the gate's folder."""
    names = sorted(os.listdir(PROGRAMS))
    return {name: sha256(text_of(os.path.join(PROGRAMS, name))) for name in names if name.endswith(".py")}


def host_keys():
    """Return the host's own keys and when each was made."""
    return [public_key(path) for path in sorted(glob.glob(HOST_KEYS))]


def receipt_key():
    """Return the key that signs receipts; None at a site that signs none."""
    return public_key(RECEIPT_KEY) if os.path.isdir(os.path.dirname(RECEIPT_KEY)) else None


def public_key(path):
    """Return type and digest of a public key, and when its file was written."""
    kind, content = text_of(path).split()[:2]
    return {"type": kind, "sha256": sha256("%s %s" % (kind, content)), "made": os.stat(path).st_mtime}


def shown(folder, system):
    """Return what the site shows of a system in a folder, such as the rules in force; None where it shows nothing."""
    path = os.path.join(folder, system + ".json")
    return json.loads(text_of(path)) if os.path.exists(path) else None


def main(system, folder):
    """Print the facts."""
    facts = {"format": 1, "system": system, "host": socket.gethostname(), "began": time.time(), "unread": {}}
    for name, read in (
        ("load", load),
        ("memory", memory),
        ("disks", lambda: disks(folder)),
        ("arrays", arrays),
        ("repository", lambda: repository(system, folder)),
        ("host_lock", lambda: host_lock(system)),
        ("accounts", lambda: accounts(system, folder)),
        ("programs", programs),
        ("host_keys", host_keys),
        ("receipt_key", receipt_key),
        ("rules", lambda: shown(RULES, system)),
    ):
        try:
            facts[name] = read()
        except (OSError, ValueError, LookupError) as error:
            facts[name] = None
            facts["unread"][name] = ("%s" % error)[:300] or type(error).__name__
    facts["ended"] = time.time()
    print(json.dumps(facts, sort_keys=True))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("site_facts: usage: site_facts.py SYSTEM FOLDER")
    main(*sys.argv[1:])
