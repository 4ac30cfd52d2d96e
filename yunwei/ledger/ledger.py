"""The evidence ledger: append, sign, list, verify, export. Nothing is ever changed or removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from yunwei.errors import LedgerError, VaultError
from yunwei.ledger import rows, runs
from yunwei.ledger.chain import Entry, Head, make_entry
from yunwei.ledger.process import is_alive
from yunwei.ledger.signing import Signature, Signer, fingerprint
from yunwei.ledger.store import Store, Transaction, open_store
from yunwei.ledger.verify import StoredEnd, VerifyResult, verify_rows
from yunwei.ledger.witness import WitnessedHead
from yunwei.paths import state_dir

Records = list[dict[str, Any]]


def default_location() -> str:
    """Return `$YUNWEI_LEDGER` (a path or a postgresql:// URL) or the file in the state folder."""
    return os.environ.get("YUNWEI_LEDGER") or str(state_dir() / "ledger.sqlite")


class Ledger:
    """An append-only, hash-chained, signed list of entries. `signing_fault` is why the last entry went unsigned."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.signing_fault: VaultError | None = None

    @classmethod
    def open(cls, location: str | Path | None = None) -> Ledger:
        """Return the ledger at a path or URL (default: `default_location()`), made if it is not there.

        Raises `LedgerError` where it cannot be written: then no job may start.
        """
        return cls(open_store(str(location or default_location())))

    def append(
        self, kind: str, body: Mapping[str, Any], signer: Signer | None = None, identifier: str | None = None
    ) -> Entry:
        """Write an entry and return it; it waits for a signature where Vault cannot give one now.

        Args:
            kind: `run-begin`, `run-end`, `verification` or another name.
            body: what is recorded: JSON values only, never a secret.
            signer: the run's Vault client, or None.
            identifier: the entry's id; by default one made of kind and time. `<run>/…` links it to a run.

        Raises:
            LedgerError: it cannot be written, or an entry of this id and kind is there already.
        """
        name = identifier or new_identifier(kind)
        self.signing_fault = None
        if signer is not None:
            try:
                return self._append(kind, name, body, signer)
            except VaultError as error:
                self.signing_fault = error
        return self._append(kind, name, body, None)

    def begin(self, body: Mapping[str, Any], signer: Signer | None = None) -> Entry:
        """Record that the run `body["run_id"]` begins; `body["process"]` is what `process.describe_self` returns."""
        return self.append("run-begin", body, signer, str(body["run_id"]))

    def finish(self, run_id: str, body: Mapping[str, Any], signer: Signer | None = None) -> Entry:
        """Record how a run ended: `status`, `exit_code`, `reason`, `hosts`, `tasks`, `artifacts` and so on."""
        return self.append("run-end", {**body, "run_id": run_id}, signer, run_id)

    def close_interrupted(
        self, signer: Signer | None = None, alive: Callable[[dict[str, Any]], bool | None] = is_alive
    ) -> tuple[str, ...]:
        """Record runs that have no end and whose process is dead as interrupted; return their ids."""
        closed = []
        for begin in runs.without_end(self.entries()):
            if alive(begin.body["process"]) is not False:
                continue
            try:
                self.finish(begin.id, runs.interrupted(begin.body), signer)
            except LedgerError:
                if (self.find_run(begin.id) or {}).get("status") == "open":
                    raise
                continue  # another starter closed it at the same moment
            closed.append(begin.id)
        return tuple(closed)

    def head(self) -> Head:
        """Return count and hash of the end: what a witness keeps and what reports print."""
        with self._store.read() as transaction:
            return rows.head(transaction)

    def entries(self) -> tuple[Entry, ...]:
        """Return every entry, oldest first."""
        with self._store.read() as transaction:
            return tuple(rows.entries(transaction))

    def list(self) -> Records:
        """Return one row for each run and each other record, oldest first."""
        with self._store.read() as transaction:
            return runs.rows(rows.entries(transaction), rows.signatures(transaction))

    def show(self, identifier: str) -> dict[str, Any]:
        """Return everything recorded under a run's id, another record's id, or an entry's number.

        Raises `LedgerError` where there is nothing of that name.
        """
        with self._store.read() as transaction:
            found = runs.find(identifier, rows.entries(transaction), rows.signatures(transaction))
        if found is None:
            raise LedgerError(f"the ledger has no record {identifier!r}: `yunwei evidence list` shows the ids")
        return found

    def find_run(self, run_id: str) -> dict[str, Any] | None:
        """Return the record of a run, or None."""
        with self._store.read() as transaction:
            return runs.find_run(run_id, rows.entries(transaction, run_id), rows.signatures(transaction))

    def verify(self, trusted: Iterable[bytes] | None = None, witnessed: Sequence[WitnessedHead] = ()) -> VerifyResult:
        """Return whether the ledger is whole, naming the first bad entry.

        Args:
            trusted: public keys (32 bytes each) from outside the ledger; None: those it holds itself.
            witnessed: heads of `witness.load_heads`; none: that the ledger was cut short would not be seen.
        """
        with self._store.read() as transaction:
            keys = rows.keys(transaction) if trusted is None else {fingerprint(key): key for key in trusted}
            end = StoredEnd(rows.head(transaction), rows.orphan(transaction))
            found = rows.signed_entries(transaction)
            return verify_rows(found, keys, end, trusted=trusted is not None, witnessed=witnessed)

    def export(self, path: Path) -> Head:
        """Write everything as JSON lines to a new file of mode 0600, for `verify_export`; return the head."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream, self._store.read() as transaction:
            head = rows.head(transaction)
            stream.write(json.dumps({"format": "yunwei-ledger/1", "count": head.count, "hash": head.hash}) + "\n")
            for entry, signature in rows.signed_entries(transaction):
                line = {**vars(entry), "signature": vars(signature) if signature else None}
                stream.write(json.dumps(line, sort_keys=True) + "\n")
        return head

    def _append(self, kind: str, name: str, body: Mapping[str, Any], signer: Signer | None) -> Entry:
        with self._store.write() as transaction:
            if signer is not None:
                rows.sign_waiting(transaction, signer)
            _require_new(transaction, kind, name)
            entry = make_entry(
                rows.head(transaction), name, kind, rows.utc_now(), dict(body), signed=signer is not None
            )
            rows.add(transaction, entry)
            if signer is not None:
                rows.sign(transaction, entry, signer)
            return entry


def verify_export(
    path: Path, trusted: Iterable[bytes] | None = None, witnessed: Sequence[WitnessedHead] = ()
) -> VerifyResult:
    """Return whether an exported ledger is whole, without the ledger and without Vault.

    Raises `LedgerError` where the file is no export.
    """
    try:
        first, *lines = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
        pairs = [(_entry(line), Signature(**line["signature"]) if line["signature"] else None) for line in lines]
        end = StoredEnd(Head(first["count"], first["hash"]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise LedgerError(f"{path} is no export of the ledger: {error}") from error
    held = [rows.key_of(entry) for entry, _ in pairs if entry.kind == "key"] if trusted is None else trusted
    keys = {fingerprint(key): key for key in held if key}
    return verify_rows(pairs, keys, end, trusted=trusted is not None, witnessed=witnessed)


def new_identifier(kind: str) -> str:
    """Return an id that sorts by time and is not used twice."""
    time = rows.utc_now().translate({ord(sign): None for sign in "-:.Z"})
    return f"{kind}-{time}-{os.urandom(3).hex()}"


def _require_new(transaction: Transaction, kind: str, name: str) -> None:
    if list(transaction.execute("SELECT 1 FROM ledger_entry WHERE id = ? AND kind = ?", (name, kind))):
        raise LedgerError(f"the ledger has a {kind} of {name} already: an id is used once")


def _entry(line: Mapping[str, Any]) -> Entry:
    return Entry(**{name: line[name] for name in Entry.__dataclass_fields__})
