#!/usr/bin/python3
"""Countersigns the head of the first site's ledger: how many records it has, and the hash of the last one.

Heads of a system are kept in a list that only grows, in this site's own time. A head with fewer records than the last
one, or with another hash for as many, is refused: the ledger was cut or written anew. Prints the line of the list:
{"head": text, "signature": text}. Standard library only.
"""

import fcntl
import json
import os
import re
import sys
import time

import miyun_receipt

HEADS = "/srv/miyun_heads"
NAMESPACE = "yunwei-head"
ARGUMENTS = re.compile(r"^[a-z][a-z0-9_]{0,40} [1-9][0-9]{0,14} [0-9a-f]{64}\Z")


def last_line(stream):
    """Return the newest line of the list, or None; what a crash left of a line nobody was answered is cut off."""
    whole = stream.read()
    end = whole.rfind("\n") + 1
    if end < len(whole):
        stream.truncate(end)
    lines = whole[:end].splitlines()
    return lines[-1] if lines else None


def demand_forward(line, count, digest):
    """End with the reason where a head does not follow the one in `line`, the newest of the list."""
    last = json.loads(json.loads(line)["head"])
    if count < last["count"] or (count == last["count"] and digest != last["hash"]):
        reason = "the head goes backwards: this site saw %d records with hash %s at %s; now %d with hash %s are shown"
        seen = (last["count"], last["hash"], last["time"], count, digest)
        raise SystemExit("miyun_head: " + reason % seen)


def countersign(system, count, digest):
    """Return a line of the list: the head with this site's time, signed."""
    head = {"format": 1, "site": "miyun", "system": system, "count": count, "hash": digest}
    head["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = json.dumps(head, sort_keys=True)
    return json.dumps({"head": text, "signature": miyun_receipt.sign(text, NAMESPACE)})


def main(words):
    """Keep the head that the words SYSTEM COUNT HASH show, and print it countersigned."""
    if not ARGUMENTS.match(" ".join(words)):
        raise SystemExit("miyun_head: usage: miyun_head.py SYSTEM COUNT HASH")
    system, count, digest = words[0], int(words[1]), words[2]
    os.umask(0o027)
    with open(os.path.join(HEADS, system + ".jsonl"), "a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        newest = last_line(stream)
        if newest:
            demand_forward(newest, count, digest)
        line = countersign(system, count, digest)
        stream.write(line + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
