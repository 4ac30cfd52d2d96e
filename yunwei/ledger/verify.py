"""Whether a ledger is whole: every entry, every signature, and the end. Pure: rows in, verdict out, no network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from yunwei.ledger.chain import GENESIS, Entry, Head, find_fault
from yunwei.ledger.signing import Signature, is_signed_by
from yunwei.ledger.witness import WitnessedHead


@dataclass(frozen=True)
class VerifyResult:
    """What was found: `first_bad` is the number of the first bad entry, or None where the ledger is whole.

    `unsigned` counts entries at the end that wait for Vault; `signed_later` those that had to wait.
    `keys_trusted` is False when the public key came from the ledger itself: then signatures only prove consistency.
    `witnessed` is the number of entries in the newest head that a witness countersigned, `witnessed_at` when it did;
    None: nobody said how long the ledger was, so that a cut tail would not be seen.
    """

    count: int
    head: str
    first_bad: int | None
    first_bad_id: str | None
    reason: str | None
    unsigned: int
    signed_later: int
    keys: tuple[str, ...]
    keys_trusted: bool
    witnessed: int | None
    witnessed_at: str | None

    @property
    def not_witnessed(self) -> int:
        """Return how many entries came after the newest witnessed head."""
        return max(0, self.count - (self.witnessed or 0))

    @property
    def ok(self) -> bool:
        """Return whether nothing is bad."""
        return self.first_bad is None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "ok": self.ok, "keys": list(self.keys), "not_witnessed": self.not_witnessed}


@dataclass(frozen=True)
class StoredEnd:
    """What the ledger says of its own end, and the first signature whose entry is gone."""

    head: Head
    orphan: int | None = None


@dataclass
class _Findings:
    keys: Mapping[str, bytes]
    problems: list[tuple[int, str | None, str]] = field(default_factory=list)
    unsigned: list[Entry] = field(default_factory=list)
    signed_later: int = 0
    used: set[str] = field(default_factory=set)

    def add(self, seq: int, identifier: str | None, reason: str) -> None:
        self.problems.append((seq, identifier, reason))

    def first(self) -> tuple[int | None, str | None, str | None]:
        return min(self.problems, key=lambda problem: problem[0], default=(None, None, None))


class _Witness:
    """Holds the chain against the heads that a witness countersigned."""

    def __init__(self, heads: Iterable[WitnessedHead]) -> None:
        self._heads: dict[int, list[WitnessedHead]] = defaultdict(list)
        for one in heads:
            self._heads[one.head.count].append(one)
        self._agreed = 0

    def check(self, entry: Entry, findings: _Findings) -> None:
        heads = self._heads.get(entry.seq, [])
        wrong = next((one for one in heads if one.head.hash != entry.hash), None)
        if wrong:
            first = self._agreed + 1
            which = "it was" if first == entry.seq else f"of the entries {first} to {entry.seq} at least one was"
            reason = f"site {wrong.site} countersigned another hash for it at {wrong.time}: {which} written anew"
            findings.add(entry.seq, entry.id, reason)
        elif heads:
            self._agreed = entry.seq

    def check_end(self, end: Head, findings: _Findings) -> None:
        longest = max(self._heads, default=0)
        if longest > end.count:
            one = self._heads[longest][0]
            reason = f"entry {end.count + 1} is missing: site {one.site} saw {longest} entries at {one.time}"
            findings.add(end.count + 1, None, reason)


def verify_rows(
    rows: Iterable[tuple[Entry, Signature | None]],
    keys: Mapping[str, bytes],
    stored: StoredEnd,
    *,
    trusted: bool,
    witnessed: Sequence[WitnessedHead] = (),
) -> VerifyResult:
    """Return whether the rows are whole, naming the first bad entry.

    Args:
        rows: entries in the order of their numbers, each with its signature; read once, one at a time.
        keys: public keys by fingerprint.
        stored: the ledger's own word on its end.
        trusted: whether the keys came from outside the ledger.
        witnessed: heads that a witness countersigned, shortest ledger first.
    """
    findings, witness = _Findings(keys), _Witness(witnessed)
    head, broken = Head(0, GENESIS), False
    for entry, signature in rows:
        fault = _fault(entry, head)
        if fault:
            findings.add(head.count + 1, entry.id if entry.seq == head.count + 1 else None, fault)
            broken = True
            break
        _check_signature(entry, signature, findings)
        witness.check(entry, findings)
        head = Head(entry.seq, entry.hash)
    if not broken:
        _check_end(head, stored, findings)
        witness.check_end(head, findings)
    newest = witnessed[-1] if witnessed else None
    first_bad, first_bad_id, reason = findings.first()
    return VerifyResult(
        count=stored.head.count,
        head=stored.head.hash,
        first_bad=first_bad,
        first_bad_id=first_bad_id,
        reason=reason,
        unsigned=len(findings.unsigned),
        signed_later=findings.signed_later,
        keys=tuple(sorted(findings.used)),
        keys_trusted=trusted,
        witnessed=newest.head.count if newest else None,
        witnessed_at=newest.time if newest else None,
    )


def _fault(entry: Entry, head: Head) -> str | None:
    try:
        return find_fault(entry, head)
    except (ValueError, LookupError, TypeError, AttributeError):
        return "its content cannot be read"


def _check_signature(entry: Entry, found: Signature | None, findings: _Findings) -> None:
    promised = bool(entry.envelope["signed"])
    if found is None:
        if promised:
            findings.add(entry.seq, entry.id, "its signature was removed")
        findings.unsigned.append(entry)
        return
    findings.used.add(found.fingerprint)
    findings.signed_later += not promised
    if found.fingerprint not in findings.keys:
        findings.add(entry.seq, entry.id, f"it is signed with a key that is not trusted ({found.fingerprint})")
    elif not is_signed_by(findings.keys[found.fingerprint], entry.hash, found.value):
        findings.add(entry.seq, entry.id, "its signature is not good: it, or the entry and its hash, were replaced")
    if findings.unsigned:
        # Whoever signs, signs what waits before it in the same transaction: a gap was made afterwards.
        gap = findings.unsigned[0]
        findings.add(gap.seq, gap.id, "its signature was removed: a later entry is signed")


def _check_end(end: Head, stored: StoredEnd, findings: _Findings) -> None:
    if stored.head.count > end.count:
        count = stored.head.count
        findings.add(end.count + 1, None, f"entry {end.count + 1} is missing: {count} entries were written")
    elif stored.head != end:
        bad = min(stored.head.count + 1, end.count)
        findings.add(bad, None, "the end does not agree with the ledger's own note of it")
    if stored.orphan is not None:
        findings.add(stored.orphan, None, f"entry {stored.orphan} is missing: only its signature is left")
