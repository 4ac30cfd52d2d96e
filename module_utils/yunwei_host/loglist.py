"""The list of files that travels from plan to archive to retirement: JSON lines, known by its digest."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import base64
import hashlib
import json
import os
import stat
import zlib

from .faults import FaultError

# What a file is called between the decision to remove it and its removal: found again when the run was killed.
ASIDE = b".yunwei-retire-"
_LARGEST = 256 << 20

if hasattr(os.stat_result, "st_mtime_ns"):

    def _times(status):
        return "3:%d:%d:%d:%d" % (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
else:  # Python 2 knows times as floats only

    def _times(status):
        return "2:%d:%d:%r:%r" % (status.st_ino, status.st_size, status.st_mtime, status.st_ctime)


def key_of(status):
    """Return what changes whenever a file is changed, renamed or replaced; the source program knows it as well.

    Compared only between runs of one Python version.
    """
    return "%d:%s" % (status.st_dev, _times(status))


def lasting(key):
    """Return the part of a key that a rename leaves as it is: device, inode, size, time of the last change."""
    return key.rsplit(":", 1)[0]


def is_plain(status):
    """Return whether it is a regular file with one name."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def to_line(entry):
    """Return `entry` (dict) as one line of ASCII JSON with sorted keys, without its end."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"))


def what_goes(entries):
    """Return the digest of which files would go under which rule, whatever the reason told for each."""
    lines = [to_line(dict((name, entry[name]) for name in ("acting", "key", "p", "rule"))) for entry in entries]
    return hashlib.sha256("\n".join(sorted(lines)).encode("ascii")).hexdigest()


def pack(lines):
    """Return {"packed", "sha256", "files"} of an iterable of lines: the list as text, and what it is known by."""
    digest, squeeze, pieces, count = hashlib.sha256(), zlib.compressobj(6), [], 0
    for line in lines:
        raw = (line + "\n").encode("ascii")
        digest.update(raw)
        pieces.append(squeeze.compress(raw))
        count += 1
    pieces.append(squeeze.flush())
    return {
        "packed": base64.b64encode(b"".join(pieces)).decode("ascii"),
        "sha256": digest.hexdigest(),
        "files": count,
    }


def unpack(packed, sha256):
    """Return the entries (dicts) of a packed list; raises FaultError unless it is the one with this digest."""
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(base64.b64decode(packed), _LARGEST)
        if stream.unconsumed_tail:
            raise ValueError("too large")
        if hashlib.sha256(raw).hexdigest() != sha256:
            raise ValueError("its digest is another")
        return [json.loads(line) for line in raw.decode("ascii").splitlines()]
    except (ValueError, TypeError, zlib.error) as error:
        raise FaultError("the list of files was damaged on its way (%s): start the job again" % error)
