"""The chain: what an entry is, how its hash is made, and what the next one must say. Pure functions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

# What the first entry names as its predecessor.
GENESIS = "0" * 64


@dataclass(frozen=True)
class Head:
    """How long the ledger is and the hash of its last entry: what a witness keeps."""

    count: int
    hash: str


@dataclass(frozen=True)
class Entry:
    """One entry: `text` is the canonical JSON that `hash` is the SHA-256 of; the other fields repeat what it says."""

    seq: int
    id: str
    kind: str
    time: str
    text: str
    hash: str

    @property
    def envelope(self) -> dict[str, Any]:
        """Return what the text says."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def body(self) -> dict[str, Any]:
        """Return what was recorded."""
        found: dict[str, Any] = self.envelope["body"]
        return found


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, ASCII only.

    Raises `ValueError` or `TypeError` for what JSON does not know, such as NaN.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(text: str) -> str:
    """Return the SHA-256 of a text in hexadecimal digits."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def make_entry(head: Head, identifier: str, kind: str, time: str, body: dict[str, Any], *, signed: bool) -> Entry:  # noqa: PLR0913
    """Return the entry that follows `head`.

    Args:
        head: the ledger's end as it is now.
        identifier: the run's or record's id.
        kind: `run-begin`, `run-end`, `verification`, `key` or another name.
        time: ISO 8601 in UTC.
        body: what is recorded; JSON values only.
        signed: whether a signature goes with it at once. Being part of the hash, it betrays a removed signature.
    """
    envelope = {
        "seq": head.count + 1,
        "prev": head.hash,
        "id": identifier,
        "kind": kind,
        "time": time,
        "signed": signed,
        "body": body,
    }
    text = canonical(envelope)
    return Entry(head.count + 1, identifier, kind, time, text, digest(text))


def find_fault(entry: Entry, expected: Head) -> str | None:
    """Return what is wrong with an entry that should follow `expected`, or None.

    Args:
        entry: as it was read.
        expected: the number and hash of the entry before it.
    """
    if entry.seq != expected.count + 1:
        return f"entry {expected.count + 1} is missing: the next one found is {entry.seq}"
    if not entry.text.isascii() or digest(entry.text) != entry.hash:
        return "its content does not have its hash: it was edited"
    envelope = entry.envelope
    if envelope["prev"] != expected.hash:
        return "it does not follow the entry before it: entries were replaced, removed or reordered"
    repeated = {"seq": entry.seq, "id": entry.id, "kind": entry.kind, "time": entry.time}
    wrong = sorted(name for name, value in repeated.items() if envelope[name] != value)
    return f"its columns do not agree with its content: {', '.join(wrong)}" if wrong else None
