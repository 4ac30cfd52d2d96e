"""Where the ledger's rows are: one small interface, SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from yunwei.errors import LedgerError
from yunwei.ledger.chain import GENESIS

_BUSY_SECONDS = 60
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS ledger_entry (seq BIGINT PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL,"
    " time TEXT NOT NULL, text TEXT NOT NULL, hash TEXT NOT NULL)",
    # A run begins once and ends once, whoever writes at the same time.
    "CREATE UNIQUE INDEX IF NOT EXISTS ledger_entry_id ON ledger_entry (id, kind)",
    "CREATE TABLE IF NOT EXISTS ledger_signature (seq BIGINT PRIMARY KEY, fingerprint TEXT NOT NULL,"
    " key_version BIGINT NOT NULL, value TEXT NOT NULL, time TEXT NOT NULL)",
    # The head stands apart so that entries missing at the end are noticed.
    "CREATE TABLE IF NOT EXISTS ledger_head (one BIGINT PRIMARY KEY CHECK (one = 1), count BIGINT NOT NULL,"
    " hash TEXT NOT NULL)",
)


class Transaction(Protocol):
    """Statements that succeed or fail together; parameters are written `?`."""

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        """Run a statement and return its rows, to be read before the next statement."""


class Store(Protocol):
    """Where rows are kept."""

    def write(self) -> contextlib.AbstractContextManager[Transaction]:
        """Return a transaction that no other writer runs beside."""

    def read(self) -> contextlib.AbstractContextManager[Transaction]:
        """Return a transaction that sees one state."""


def make_tables(transaction: Transaction) -> None:
    """Make what is not there yet."""
    for statement in SCHEMA:
        transaction.execute(statement)
    transaction.execute("INSERT INTO ledger_head VALUES (1, 0, ?) ON CONFLICT DO NOTHING", (GENESIS,))


def open_store(location: str) -> Store:
    """Return the store at a path or a `postgresql://` URL, made if it is not there.

    Raises `LedgerError` where it cannot be opened or written.
    """
    if location.startswith(("postgresql://", "postgres://")):
        from yunwei.ledger.postgresql import PostgresqlStore  # noqa: PLC0415 - optional driver

        return PostgresqlStore(location)
    if "://" in location:
        scheme = location.partition("://")[0]
        raise LedgerError(f"a ledger at {scheme}://… is not known: a path or a postgresql:// URL is allowed")
    return SqliteStore(Path(location))


class _SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        return self._connection.execute(statement, parameters)


class SqliteStore:
    """One file of mode 0600. Each transaction has a connection of its own: none is ever open across a fork."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _claim(path)
        except OSError as error:
            raise self._fault(error) from error
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with self.write() as transaction:
            make_tables(transaction)

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """Yield a transaction that no other writer runs beside; it is undone if the block fails."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield _SqliteTransaction(connection)
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """Yield a transaction that sees one state."""
        with self._connected() as connection:
            connection.execute("BEGIN")
            yield _SqliteTransaction(connection)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise self._fault(error) from error
        try:
            # Evidence must survive a power cut: every commit reaches the disk.
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
        except sqlite3.Error as error:
            raise self._fault(error) from error
        finally:
            connection.close()

    def _fault(self, error: Exception) -> LedgerError:
        return LedgerError(
            f"the evidence ledger {self._path} cannot be used: {error}. Without it no job starts. "
            f"Make the file and its folder writable, or name another place in YUNWEI_LEDGER."
        )


def _claim(path: Path) -> None:
    """Make the file, or narrow the mode of the one that is there: nobody else may read or write it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
