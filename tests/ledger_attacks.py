"""What somebody with the controller's own rights can do to its ledger: cut it, or write it anew and sign it again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from yunwei.ledger import Entry, Ledger, Signer
from yunwei.ledger.chain import canonical, digest
from yunwei.ledger.signing import fingerprint, message, parse_signature


def cut_tail(path: Path, kept: int) -> None:
    """Remove all entries after the first `kept`, and everything that would tell of them."""
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM ledger_signature WHERE seq > ?", (kept,))
        connection.execute("DELETE FROM ledger_entry WHERE seq > ?", (kept,))
        connection.execute(
            "UPDATE ledger_head SET count = seq, hash = e.hash FROM ledger_entry e WHERE seq = ?", (kept,)
        )
    connection.close()


def rewrite(path: Path, changed: Iterable[int], signer: Signer) -> None:
    """Give entries another content, chain what follows anew, and sign all of that with the ledger's own key."""
    entries, wanted = Ledger.open(path).entries(), set(changed)
    head = entries[min(wanted) - 2].hash
    with sqlite3.connect(path) as connection:
        for entry in entries[min(wanted) - 1 :]:
            text = _rewritten(entry, head, entry.seq in wanted)
            head = digest(text)
            version, value = parse_signature(signer.sign(message(head)))
            connection.execute("UPDATE ledger_entry SET text = ?, hash = ? WHERE seq = ?", (text, head, entry.seq))
            connection.execute(
                "UPDATE ledger_signature SET value = ?, key_version = ?, fingerprint = ? WHERE seq = ?",
                (value, version, fingerprint(signer.public_key(version)), entry.seq),
            )
        connection.execute("UPDATE ledger_head SET hash = ?", (head,))
    connection.close()


def _rewritten(entry: Entry, previous: str, change: bool) -> str:
    envelope = {**json.loads(entry.text), "prev": previous}
    if change:
        envelope["body"] = {**envelope["body"], "result": "all went well"}
    return canonical(envelope)
