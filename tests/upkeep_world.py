"""What the tests of the upkeep of databases share: tables that need it, and sessions that are in its way."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.postgres import Server

INDEX, TABLE = "index public.letter_text", "table public.letter"
LETTERS = """
CREATE TABLE letter (id bigint PRIMARY KEY, text text);
INSERT INTO letter SELECT i, md5(i::text) FROM generate_series(1, 60000) i;
CREATE INDEX letter_text ON letter (text);
"""
WITH_STATISTICS = (LETTERS, "ANALYZE letter")
BLOATED = (*WITH_STATISTICS, "DELETE FROM letter WHERE id % 10 <> 0")
WASTEFUL = (*BLOATED, "VACUUM ANALYZE letter")
# A snapshot that a concurrent build has to wait for; it holds no lock of any table.
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current();"
BUILDING = "SELECT count(*) = 1 FROM pg_class WHERE relname ~ '_ccnew'"
ONLINE = pytest.mark.skipif("TEST_POSTGRESQL_OLD" in os.environ, reason="before version 12 nothing is rebuilt online")


def row(summary: dict[str, Any], item: str) -> dict[str, Any]:
    (found,) = [one for one in summary["items"] if one["item"].endswith(item)]
    return dict(found)


def asleep(server: Server) -> None:
    server.start_session("SELECT pg_sleep(600)")
    server.until("SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")


def wake_up(server: Server) -> None:
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
    server.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
