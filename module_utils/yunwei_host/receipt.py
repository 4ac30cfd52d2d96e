"""The second site's receipt: whether it is signed, fresh and about this repository, and which snapshots it proves."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import re

from . import process
from .clock import moment
from .faults import FaultError
from .frames import clean_text

NAMESPACE = "yunwei-receipt"
PRINCIPAL = "receipt"
FRESH_SECONDS = 3600
_KEY = re.compile(r"\A(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+( [^\n]*)?\Z")
_FILE = re.compile(r"\A(data/[0-9a-f]{2}|index|keys|snapshots)/([0-9a-f]{64})\Z")


def read_receipt(answer, public_key, folder):
    """Return the receipt (dict) in `answer` (bytes from the gate), whose signature was verified.

    Args:
        answer: JSON {"receipt": text, "signature": text}.
        public_key: the one OpenSSH key that may sign receipts.
        folder: the run's tmpfs folder.

    Raises FaultError when it is not signed by that key.
    """
    try:
        parts = json.loads(answer.decode("ascii"))
        text, signature = parts["receipt"].encode("ascii"), parts["signature"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FaultError("the receipt is not readable: %s" % clean_text(answer[:200]))
    _verify(text, signature, public_key, folder)
    return json.loads(text.decode("ascii"))


def demand_about(receipt, site, system, now):
    """Raise FaultError unless the receipt is this site's, about this system, and was made just now."""
    expected = {"format": 1, "site": site, "system": system}
    for key in sorted(expected):
        if receipt.get(key) != expected[key]:
            raise FaultError("the receipt is of another %s: %s" % (key, clean_text(receipt.get(key))))
    try:
        age = now - moment(receipt.get("time"))
    except ValueError:
        raise FaultError("the receipt has no time")
    if abs(age) > FRESH_SECONDS:
        raise FaultError("the receipt is %d seconds old by this host's clock; allowed are %d" % (age, FRESH_SECONDS))


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


def _verify(text, signature, public_key, folder):
    if not _KEY.match((public_key or "").strip()):
        raise FaultError("the second site's receipt key is not known; let its administrator run prepare_miyun.yml")
    allowed, signed = os.path.join(folder, "allowed_signers"), os.path.join(folder, "receipt.sig")
    for path, content in ((allowed, "%s %s\n" % (PRINCIPAL, public_key.strip())), (signed, signature)):
        with open(path, "wb") as stream:
            stream.write(content.encode("ascii", "replace"))
    code, _, err = process.run(
        ["ssh-keygen", "-q", "-Y", "verify", "-f", allowed, "-I", PRINCIPAL, "-n", NAMESPACE, "-s", signed], feed=text
    )
    if code:
        raise FaultError("the receipt is not signed by the pinned key: %s" % clean_text(err[-300:]))
