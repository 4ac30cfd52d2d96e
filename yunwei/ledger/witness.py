"""What a witness keeps: heads of the ledger, each countersigned at a sync with the second site's receipt key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from yunwei.errors import LedgerError, UsageError
from yunwei.ledger.chain import Head
from yunwei.ssh_signature import is_signed

NAMESPACE = "yunwei-head"
_PRINCIPAL = "receipt"
_FORMAT = 1


@dataclass(frozen=True)
class WitnessedHead:
    """A head, the site that saw it and when, in that site's own time; `system` is the one whose sync showed it."""

    head: Head
    site: str
    system: str
    time: str


def load_heads(path: Path, public_key: str) -> tuple[WitnessedHead, ...]:
    """Return the heads in a witness's file, shortest ledger first; every signature is checked.

    Args:
        path: JSON lines as `yunwei evidence witness` fetches them.
        public_key: the OpenSSH public key of the second site's receipts.

    Raises:
        CouldNotJudgeError: ssh-keygen, which checks signatures, is not there.
        LedgerError: a line is not the witness's.
        UsageError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a list of countersigned heads: {error}") from error
    found = [_head(f"{path} line {number}", line, public_key) for number, line in enumerate(lines, 1)]
    return tuple(sorted(found, key=lambda one: (one.head.count, one.time)))


def _head(place: str, line: str, public_key: str) -> WitnessedHead:
    try:
        parts = json.loads(line)
        text, signature = str(parts["head"]), str(parts["signature"])
    except (ValueError, LookupError, TypeError) as error:
        raise LedgerError(f"{place} is no countersigned head. Fetch the list anew: yunwei evidence witness") from error
    if not is_signed(text, signature, NAMESPACE, _PRINCIPAL, public_key):
        raise LedgerError(
            f"{place} is not signed by the witness's key: it was forged, or the key is another. Compare the key with "
            f"the second site's administrator and fetch the list anew: yunwei evidence witness"
        )
    return _read(place, json.loads(text))


def _read(place: str, said: dict[str, object]) -> WitnessedHead:
    if said.get("format") != _FORMAT:
        raise LedgerError(f"{place} has format {said.get('format')!r}; known is {_FORMAT}: update yunwei")
    head = Head(int(str(said["count"])), str(said["hash"]))
    return WitnessedHead(head, str(said["site"]), str(said["system"]), str(said["time"]))
