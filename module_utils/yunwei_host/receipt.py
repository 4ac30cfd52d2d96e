"""The second site's receipt: which of the damage that it names spoils backups, and keys that it did not expect."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from .frames import clean_text

_FILE = re.compile(r"\A(data/[0-9a-f]{2}|index|keys|snapshots)/([0-9a-f]{64})\Z")


def harmful(receipt, indexed_packs):
    """Return the damaged files of a receipt that backups need, and the other ones.

    A pack that no index knows is what an upload that was cut off leaves: junk for that site's administrator.

    Args:
        receipt: a verified receipt.
        indexed_packs: function that returns the names of all packs that the site's indexes know.
    """
    bad = sorted("%s" % path for path in receipt.get("bad") or [])
    known = indexed_packs() if [path for path in bad if path.startswith("data/")] else set()
    needed = []
    for path in bad:
        found = _FILE.match(path)
        if not found or not path.startswith("data/") or found.group(2) in known:
            needed.append(clean_text(path))
    return needed, [clean_text(path) for path in bad if clean_text(path) not in needed]


def strange_keys(receipt):
    """Return what a person must read about repository keys that are not those that the site has pinned."""
    keys = receipt.get("keys") or {}
    said = []
    for change in ("added", "gone"):
        names = [clean_text(name)[:12] for name in keys.get(change) or []]
        if names:
            said.append("repository keys %s at that site: %s; let its administrator look" % (change, ", ".join(names)))
    return said
