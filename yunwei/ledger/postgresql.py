"""The ledger in PostgreSQL, for several controllers; the driver `psycopg` is optional."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from yunwei.errors import LedgerError
from yunwei.ledger.store import Transaction, make_tables

# An arbitrary number that all controllers of one ledger agree on.
_WRITERS = 7977696


class _PostgresqlTransaction:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        cursor: Iterable[tuple[Any, ...]] = self._connection.execute(statement.replace("?", "%s"), parameters)
        return cursor


class PostgresqlStore:
    """A database that the URL names; passwords belong in `~/.pgpass` or `PGPASSFILE`, not in the URL."""

    def __init__(self, url: str) -> None:
        try:
            psycopg: Any = importlib.import_module("psycopg")
        except ImportError:
            raise LedgerError(
                "a ledger in PostgreSQL needs the Python package psycopg (3.1 or newer): install yunwei[postgresql], "
                "or name a file in YUNWEI_LEDGER"
            ) from None
        self._psycopg = psycopg
        self._url = url
        with self.write() as transaction:
            # Tables that are there are left alone: their owner may be somebody else.
            if next(iter(transaction.execute("SELECT to_regclass('ledger_head')")))[0] is None:
                make_tables(transaction)

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """Yield a transaction that no other writer runs beside; it is undone if the block fails."""
        with self._connected() as connection:
            # One lock for writers and for whoever makes the tables: locks on tables would be taken in two orders.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITERS,))
            yield _PostgresqlTransaction(connection)

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """Yield a transaction that sees one state."""
        with self._connected() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield _PostgresqlTransaction(connection)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            with self._psycopg.connect(self._url, connect_timeout=10) as connection:
                yield connection
        except self._psycopg.Error as error:
            shown = re.sub(r"://[^@/]*@", "://…@", self._url)
            raise LedgerError(
                f"the evidence ledger {shown} cannot be used: {error}. Without it no job starts. "
                f"Check the server and the rights there, or name another place in YUNWEI_LEDGER."
            ) from error
