"""Inspection of a database with very many tables, against its own questions through psql."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.figures import Aim, Result, median, ratio
from bench.ground import SYSTEM, Ground, Wish
from yunwei.paths import content_root

TABLES, SCHEMA = 10_000, "bench_inspection"
_HOST = "db1"
_PSQL = f"runuser -u postgres -- psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname {SYSTEM}"
# A transaction for each fifty: the locks of all at once would not fit into the server's table of locks.
_MAKE = """
cd /
{sql} <<'END'
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS {schema};
DO $$ BEGIN
    FOR n IN 1..{tables} LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS {schema}.t%s (id bigint PRIMARY KEY, a int, b text)', n);
        EXECUTE format('CREATE INDEX IF NOT EXISTS t%1$s_a ON {schema}.t%1$s (a)', n);
        EXECUTE format('CREATE INDEX IF NOT EXISTS t%1$s_b ON {schema}.t%1$s (b)', n);
        IF n % 50 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$;
END
"""
_REMOVE = """
cd /
{sql} <<'END'
SET client_min_messages = warning;
DO $$ DECLARE name text; n int := 0; BEGIN
    FOR name IN SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
                WHERE s.nspname = '{schema}' AND c.relkind = 'r' LOOP
        EXECUTE 'DROP TABLE ' || name;
        n := n + 1;
        IF n % 50 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$;
DROP SCHEMA IF EXISTS {schema};
VACUUM ANALYZE pg_catalog.pg_class;
END
"""


def inspection(ground: Ground, wish: Wish) -> Result:
    """Inspections of a database with 10,000 tables and 30,000 indexes, against the same questions through psql."""
    ours, hand, command = [], [], []
    with _tables(ground):
        for _ in range(wish.turns):
            hand.append(ground.timed(_HOST, f"cd /\n{_PSQL} -At > /dev/null <<'END'\n{questions()}\nEND"))
            document, seconds = ground.yunwei("db", "inspect", "--system", SYSTEM, allowed=(0, 1))
            (database,) = document["databases"]
            ours.append(float(database["measures"]["seconds"]))
            command.append(seconds)
    figures = {
        "tables": database["measures"]["tables"],
        "indexes": database["measures"]["indexes"],
        "by_hand_seconds": median(hand),
        "inspection_seconds": median(ours),
        "ratio": ratio(ours, hand),
        "command_seconds": median(command),
    }
    aims = [Aim("inspection_seconds", 10, below=True), Aim("ratio", 2)]
    return Result("inspection", {"turns": wish.turns}, figures, aims)


def questions(version: int = 150000) -> str:
    """Return the questions of an inspection as a person would feed them to psql."""
    folder = str(content_root() / "module_utils")
    if folder not in sys.path:
        sys.path.append(folder)
    sql: Any = importlib.import_module("yunwei_database.postgresql_sql")
    seconds, words = {"seconds": 3600}, sql.standby_words(version)
    texts = [
        *(sql.SERVER, sql.SESSIONS, sql.STANDBYS % words),
        sql.TABLES % {"may": sql.may(version, "c.relowner", "c.oid")},
        sql.INDEXES % {"may": sql.may(version, "t.relowner", "t.oid")},
        *(sql.SIZE, sql.EXTENSIONS, sql.TABLESPACES, sql.LONG % seconds, sql.BLOCKED, sql.PREPARED % seconds),
        *(sql.DATABASES, sql.SLOTS % words, sql.ARCHIVER, sql.RESTART, sql.CHECKSUMS, sql.SEQUENCES),
    ]
    return "\n".join(texts)


@contextmanager
def _tables(ground: Ground) -> Iterator[None]:
    """Have the tables in the system's database while the block runs; what a killed run left is used."""
    try:
        ground.shell(_HOST, _MAKE.format(sql=_PSQL, schema=SCHEMA, tables=TABLES))
        yield
    finally:
        ground.shell(_HOST, _REMOVE.format(sql=_PSQL, schema=SCHEMA))
