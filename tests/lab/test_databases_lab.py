"""Databases of lab hosts: inspected, planned, maintained, proven, and then nothing is left to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.conftest import Lab

pytestmark = pytest.mark.lab

BLOAT = """
CREATE TABLE public."卷宗 Bloat" (id bigint PRIMARY KEY, text text) WITH (autovacuum_enabled = off);
INSERT INTO public."卷宗 Bloat" SELECT i, md5(i::text) FROM generate_series(1, 250000) i;
CREATE INDEX "i bloat" ON public."卷宗 Bloat" (text);
ANALYZE public."卷宗 Bloat";
"""
DELETED = 'DELETE FROM public."卷宗 Bloat" WHERE id % 20 <> 0'
NAME = 'public."卷宗 Bloat"'


def psql(lab: Lab, sql: str) -> str:
    words = ("runuser", "-u", "postgres", "--", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", "mediation")
    return lab.podman("db1", *words, stdin=sql).stdout.strip()


@pytest.fixture
def bloated(lab: Lab) -> Iterator[None]:
    """Have a table of dead rows, whose index is mostly waste, in a production database."""
    psql(lab, f"DROP TABLE IF EXISTS {NAME}; {BLOAT}")
    psql(lab, DELETED)
    yield
    psql(lab, f"DROP TABLE {NAME}")


def test_what_is_found_is_planned_done_proven_and_not_done_again(lab: Lab, bloated: None):
    found = lab.json("db", "inspect", "--system", "mediation", expect=1)
    (database,) = found["databases"]
    checks = {(one["check"], one["object"]) for one in database["findings"]}
    assert checks >= {("dead_rows", NAME), ("bloated_index", 'public."i bloat"')}
    assert all(one["severity"] and one["said"] and one["advice"] for one in database["findings"])
    size = psql(lab, "SELECT pg_relation_size('\"i bloat\"')")
    planned = lab.json("plan", "maintain-databases", "--system", "mediation")
    rows = {item["item"]: item for item in planned["items"]}
    table, index = f"database:mediation table {NAME}", 'database:mediation index public."i bloat"'
    assert (rows[table]["status"], rows[index]["status"]) == ("would vacuum", "would rebuild")
    assert psql(lab, "SELECT pg_relation_size('\"i bloat\"')") == size
    done = lab.json("run", "maintain-databases", "--system", "mediation")
    rows = {item["item"]: item for item in done["items"]}
    assert (rows[table]["status"], rows[index]["status"]) == ("vacuumed", "rebuilt"), (rows[table], rows[index])
    assert rows[index]["after"]["bytes"] < int(size) / 10
    assert done["verification"]["verdict"] == "passed"
    again = lab.plain("maintain-databases", ["mediation"])
    assert (again["items"], again["hosts"]["db1"]["changed"]) == ([], 0)


def test_parameters_are_advised_on_with_their_reasons(lab: Lab):
    (database,) = lab.json("db", "tune", "--system", "mediation", expect=1)["databases"]
    advice = {one["rule"]: one for one in database["advice"]}
    assert (advice["statements"]["setting"], advice["statements"]["apply"]) == ("shared_preload_libraries", "restart")
    assert all(one["reason"] and one["against"] and one["proposed"] and one["page"] for one in advice.values())
