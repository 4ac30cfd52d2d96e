"""The ledger's statements: entries, signatures, keys and the head, read and written inside one transaction."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

from yunwei.errors import LedgerError
from yunwei.ledger.chain import Entry, Head, find_fault, make_entry
from yunwei.ledger.signing import Signature, Signer, fingerprint, is_signed_by, message, parse_signature
from yunwei.ledger.store import Transaction


def utc_now() -> str:
    """Return the controller's time as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def head(transaction: Transaction) -> Head:
    """Return the ledger's own note of its end."""
    found = list(transaction.execute("SELECT count, hash FROM ledger_head"))
    if len(found) != 1:
        raise LedgerError("the ledger's note of its end is gone: `yunwei evidence verify` says where it is damaged")
    return Head(*found[0])


def entries(transaction: Transaction, run_id: str | None = None) -> list[Entry]:
    """Return all entries, or those of one run and of what is linked to it, oldest first."""
    if run_id is None:
        return [Entry(*row) for row in transaction.execute("SELECT * FROM ledger_entry ORDER BY seq")]
    statement = "SELECT * FROM ledger_entry WHERE id = ? OR substr(id, 1, ?) = ? ORDER BY seq"
    return [Entry(*row) for row in transaction.execute(statement, (run_id, len(run_id) + 1, run_id + "/"))]


def signed_entries(transaction: Transaction) -> Iterator[tuple[Entry, Signature | None]]:
    """Yield every entry with its signature, oldest first, one at a time."""
    statement = (
        "SELECT e.seq, e.id, e.kind, e.time, e.text, e.hash, s.fingerprint, s.key_version, s.value"
        " FROM ledger_entry e LEFT JOIN ledger_signature s ON s.seq = e.seq ORDER BY e.seq"
    )
    for row in transaction.execute(statement):
        yield Entry(*row[:6]), Signature(*row[6:]) if row[6] is not None else None


def signatures(transaction: Transaction) -> set[int]:
    """Return the numbers of the entries that are signed."""
    return {row[0] for row in transaction.execute("SELECT seq FROM ledger_signature")}


def orphan(transaction: Transaction) -> int | None:
    """Return the number of the first signature without an entry."""
    statement = "SELECT min(seq) FROM ledger_signature WHERE seq NOT IN (SELECT seq FROM ledger_entry)"
    return next(iter(transaction.execute(statement)))[0]  # type: ignore[no-any-return]


def keys(transaction: Transaction) -> dict[str, bytes]:
    """Return the public keys that the ledger holds, by fingerprint; unreadable ones are left to `verify`."""
    found = {}
    for row in list(transaction.execute("SELECT * FROM ledger_entry WHERE kind = 'key' ORDER BY seq")):
        key = key_of(Entry(*row))
        if key:
            found[fingerprint(key)] = key
    return found


def key_of(entry: Entry) -> bytes | None:
    """Return the public key in an entry of kind `key`, or None where it cannot be read."""
    try:
        return base64.b64decode(entry.body["public_key"], validate=True)
    except (ValueError, LookupError, TypeError):
        return None


def add(transaction: Transaction, entry: Entry) -> None:
    """Write an entry and the note of the new end."""
    transaction.execute("INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?, ?)", tuple(vars(entry).values()))
    transaction.execute("UPDATE ledger_head SET count = ?, hash = ?", (entry.seq, entry.hash))


def sign_waiting(transaction: Transaction, signer: Signer) -> None:
    """Sign the entries at the end that were written while Vault was away, oldest first.

    What was declared signed when it was written is never signed again: a missing signature must stay visible. Signing
    stops where the chain does not hold.
    """
    before = _last_signed(transaction)
    statement = "SELECT * FROM ledger_entry WHERE seq > ? ORDER BY seq"
    for row in list(transaction.execute(statement, (before.count,))):
        entry = Entry(*row)
        if find_fault(entry, before) or entry.envelope["signed"]:
            break
        sign(transaction, entry, signer)
        before = Head(entry.seq, entry.hash)


def sign(transaction: Transaction, entry: Entry, signer: Signer) -> None:
    """Sign an entry; a key that the ledger does not hold yet becomes an entry of its own."""
    version, value = parse_signature(signer.sign(message(entry.hash)))
    known = keys(transaction)
    key = next((each for each in known.values() if is_signed_by(each, entry.hash, value)), None)
    key = key or signer.public_key(version)
    transaction.execute(
        "INSERT INTO ledger_signature VALUES (?, ?, ?, ?, ?)", (entry.seq, fingerprint(key), version, value, utc_now())
    )
    if fingerprint(key) not in known:
        _add_key(transaction, key, version, signer)


def _add_key(transaction: Transaction, key: bytes, version: int, signer: Signer) -> None:
    body = {"public_key": base64.b64encode(key).decode("ascii"), "version": version, "algorithm": "ed25519"}
    entry = make_entry(head(transaction), fingerprint(key), "key", utc_now(), body, signed=True)
    add(transaction, entry)
    sign(transaction, entry, signer)


def _last_signed(transaction: Transaction) -> Head:
    statement = (
        "SELECT e.seq, e.hash FROM ledger_entry e JOIN ledger_signature s ON s.seq = e.seq ORDER BY e.seq DESC LIMIT 1"
    )
    for row in list(transaction.execute(statement)):
        return Head(*row)
    return Head(0, "0" * 64)
