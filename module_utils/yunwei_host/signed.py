"""What the second site signs, a receipt or a head of the ledger: whether it is signed, fresh and about this system."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import re

from . import process
from .clock import moment
from .faults import FaultError
from .frames import clean_text

PRINCIPAL = "receipt"
FRESH_SECONDS = 3600
_KEY = re.compile(r"\A(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+( [^\n]*)?\Z")


def read_signed(what, answer, public_key, folder):
    """Return what the gate answered (dict), whose signature was verified.

    Args:
        what: `receipt` or `head`: the answer's key, and the end of the signature's namespace `yunwei-WHAT`.
        answer: bytes: JSON {what: text, "signature": text}.
        public_key: the one OpenSSH key that may sign.
        folder: the run's tmpfs folder.

    Raises FaultError when it is not signed by that key.
    """
    try:
        parts = json.loads(answer.decode("ascii"))
        text, signature = parts[what].encode("ascii"), parts["signature"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FaultError("the %s is not readable: %s" % (what, clean_text(answer[:200])))
    _verify(what, text, signature, public_key, folder)
    return json.loads(text.decode("ascii"))


def demand_about(what, found, site, system, now):
    """Raise FaultError unless a receipt or head is this site's, about this system, and was made just now."""
    expected = {"format": 1, "site": site, "system": system}
    for key in sorted(expected):
        if found.get(key) != expected[key]:
            raise FaultError("the %s is of another %s: %s" % (what, key, clean_text(found.get(key))))
    try:
        age = now - moment(found.get("time"))
    except ValueError:
        raise FaultError("the %s has no time" % what)
    if abs(age) > FRESH_SECONDS:
        raise FaultError("the %s is %d seconds old by this host's clock; allowed are %d" % (what, age, FRESH_SECONDS))


def _verify(what, text, signature, public_key, folder):
    if not _KEY.match((public_key or "").strip()):
        raise FaultError("the second site's receipt key is not known; let its administrator run prepare_miyun.yml")
    allowed, signed = os.path.join(folder, "allowed_signers"), os.path.join(folder, "%s.sig" % what)
    for path, content in ((allowed, "%s %s\n" % (PRINCIPAL, public_key.strip())), (signed, signature)):
        with open(path, "wb") as stream:
            stream.write(content.encode("ascii", "replace"))
    command = ["ssh-keygen", "-q", "-Y", "verify", "-f", allowed, "-I", PRINCIPAL, "-n", "yunwei-" + what, "-s", signed]
    code, _, err = process.run(command, feed=text)
    if code:
        raise FaultError("the %s is not signed by the pinned key: %s" % (what, clean_text(err[-300:])))
