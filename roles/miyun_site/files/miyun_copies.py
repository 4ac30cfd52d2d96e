#!/usr/bin/python3
"""Signs which copies of a system lie here: for each item the newest that the first site accepted and has proven.

The first site names an item, the time that its backup stands for, and the snapshots that it is made of, its manifest
first. A snapshot counts when this site's last receipt found its file good and it has not been touched since. The time
when the manifest came here, by this site's own clock, stands beside the time that was claimed: who may only append
cannot make a copy look newer than its arrival. Prints and keeps {"copies": text, "signature": text}. Standard library
only.
"""

import json
import os
import re
import sys
import time

import miyun_receipt

COPIES = "/srv/miyun_copies"
NAMESPACE = "yunwei-copies"
SYSTEM = re.compile(r"^[a-z][a-z0-9_]{0,40}\Z")
ITEM = re.compile(r"^(database|files|logs):[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
TIME = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
SNAPSHOTS = re.compile(r"^[0-9a-f]{64}(,[0-9a-f]{64})*\Z")


def stamp(seconds):
    """Return a time as receipts write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def claims_of(words):
    """Return [(item, time, snapshots)] of the words ITEM TIME SNAPSHOT[,SNAPSHOT…], or end with the usage."""
    claims = [words[start : start + 3] for start in range(0, len(words), 3)]
    for claim in claims:
        if len(claim) != 3 or not (ITEM.match(claim[0]) and TIME.match(claim[1]) and SNAPSHOTS.match(claim[2])):
            raise SystemExit("miyun_copies: usage: miyun_copies.py SYSTEM [ITEM TIME SNAPSHOT[,SNAPSHOT...]]...")
    return [(item, moment, snapshots.split(",")) for item, moment, snapshots in claims]


def arrival(repository, known, snapshot):
    """Return when a snapshot came here, or end where no receipt found its file good as it is."""
    path = "snapshots/" + snapshot
    try:
        found = os.lstat(os.path.join(repository, path))
    except OSError:
        raise SystemExit("miyun_copies: snapshot %s is not here" % snapshot) from None
    if known.get(path, miyun_receipt.NEVER)["identity"] != miyun_receipt.identity(found):
        raise SystemExit("miyun_copies: snapshot %s was not found good by a receipt; ask for one first" % snapshot)
    return found.st_mtime


def examine(system, claims):
    """Return {item: {"snapshot", "claimed", "arrived"}} of the claims, each of which must hold."""
    repository, known = os.path.join(miyun_receipt.STORE, system), miyun_receipt.remembered(system)["files"]
    copies = {}
    for item, moment, snapshots in claims:
        arrived = [arrival(repository, known, snapshot) for snapshot in snapshots]
        copies[item] = {"snapshot": snapshots[0], "claimed": moment, "arrived": stamp(arrived[0])}
    return copies


def keep(system, line):
    """Put the line in the place of the last one, whole or not at all."""
    path = os.path.join(COPIES, system + ".json")
    with open(path + ".new", "w") as stream:
        stream.write(line + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(path + ".new", path)


def main(words):
    """Sign what the words SYSTEM [ITEM TIME SNAPSHOTS]… say of this site's store."""
    if not words or not SYSTEM.match(words[0]):
        raise SystemExit("miyun_copies: usage: miyun_copies.py SYSTEM [ITEM TIME SNAPSHOT[,SNAPSHOT...]]...")
    system, copies = words[0], examine(words[0], claims_of(words[1:]))
    told = {"format": 1, "site": "miyun", "system": system, "time": stamp(time.time()), "copies": copies}
    text = json.dumps(told, sort_keys=True)
    line = json.dumps({"copies": text, "signature": miyun_receipt.sign(text, NAMESPACE)})
    os.umask(0o027)
    keep(system, line)
    print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
