"""Inspection of databases at a real server: every fault that can be made here is found, and what is hidden is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import DATABASE, Care, Server, running

OLD = "TEST_POSTGRESQL_OLD" in os.environ
TABLE = (
    "CREATE TABLE letter (id int, text text); INSERT INTO letter SELECT i, md5(i::text) FROM generate_series(1, {}) i"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    settings = {"max_prepared_transactions": "2", "archive_mode": "on", "archive_command": "'true'"}
    with running(wal_level="replica", **settings) as made:
        yield made


def test_a_database_in_order_has_no_finding_and_nothing_unknown(world: Care, server: Server):
    server.run_each("CREATE TABLE letter (id serial PRIMARY KEY, text text)", "ANALYZE letter")
    found = world.inspect()
    assert (found["findings"], found["unknown"], found["not_judged"]) == ([], [], None)
    assert found["measures"]["tables"] > 1
    assert found["measures"]["size_bytes"] > 10**6
    assert found["measures"]["places"][0]["free"] > 0


def test_it_changes_nothing(world: Care, server: Server):
    server.run_each(TABLE.format(2000))
    before = server.run("SELECT pg_current_wal_insert_lsn(), txid_snapshot_xmax(txid_current_snapshot())")
    world.inspect()
    assert server.run("SELECT pg_current_wal_insert_lsn(), txid_snapshot_xmax(txid_current_snapshot())") == before
    server.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'yunwei-%'")


def test_tables_and_indexes(world: Care, server: Server):
    server.run_each(
        TABLE.format(40000) + "; CREATE INDEX one ON letter (text); CREATE INDEX two ON letter (text)",
        "VACUUM ANALYZE letter",
        "DELETE FROM letter WHERE id % 2 = 0",
    )
    failing = server.start_session("CREATE UNIQUE INDEX CONCURRENTLY three ON letter ((1))")
    failing.communicate()
    found = world.findings(unused_bytes=1 << 20)
    assert found["dead_rows", "public.letter"] == {"dead": 20000, "live": 20000}
    assert found["stale_statistics", "public.letter"] == {"changed": 20000, "live": 20000}
    assert found["invalid_index", "public.three"]["table"] == "public.letter"
    assert found["duplicate_index", "public.two"]["of"] == "public.one"
    assert found["bloated_index", "public.one"]["percent"] >= 30
    assert found["unused_index", "public.one"]["bytes"] > 1 << 20


def test_transactions_locks_and_sessions(world: Care, server: Server):
    server.run_each(TABLE.format(10), "BEGIN; CREATE TABLE other (); PREPARE TRANSACTION 'forgotten ''one'")
    holder = server.hold("BEGIN; LOCK TABLE letter IN EXCLUSIVE MODE")
    waiter = server.start_session("DELETE FROM letter")
    server.until("SELECT count(*) = 1 FROM pg_locks WHERE NOT granted")
    found = world.findings(transaction_seconds=-1, blocked_seconds=0, connections_percent=1)
    assert ("prepared_transaction", "forgotten 'one") in found
    states = {evidence.get("state") for (check, _), evidence in found.items() if check == "long_transaction"}
    assert states >= {"idle in transaction", "active"}
    (blocked,) = [evidence for (check, _), evidence in found.items() if check == "blocked"]
    assert len(blocked["by"]) == 1
    assert found["connections", None]["sessions"] >= 2
    holder.kill()
    holder.communicate()
    waiter.communicate()


def test_a_table_that_is_held_for_ever_is_named_and_does_not_hold_us(world: Care, server: Server):
    server.run(TABLE.format(10) + "; CREATE INDEX one ON letter (id)")
    server.hold("BEGIN; LOCK TABLE letter IN ACCESS EXCLUSIVE MODE")
    found = world.inspect()
    assert "held_table" in [one["check"] for one in found["findings"]]
    assert (found["unknown"], found["measures"]["indexes"]) == ([], 1)


def test_the_size_of_an_index_that_is_held_is_not_asked_for(world: Care, server: Server):
    server.run_each(TABLE.format(10) + "; CREATE INDEX one ON letter (id)", "ANALYZE letter")
    server.hold("BEGIN; REINDEX INDEX one")
    found = world.inspect()
    assert (found["unknown"], found["measures"]["indexes"]) == ([], 1)


@pytest.mark.skipif(OLD, reason="a sequence of version 10 and later has a type")
def test_a_sequence_is_held_against_its_own_type_and_its_columns(world: Care, server: Server):
    server.run_each(
        "CREATE TABLE letter (id int, small smallserial); SELECT setval('letter_small_seq', 30000)",
        "CREATE SEQUENCE wide OWNED BY letter.id; SELECT setval('wide', 2000000000)",
        "CREATE SEQUENCE fine; SELECT setval('fine', 2000000000)",
    )
    found = world.findings()
    assert found["sequence", "public.wide"]["percent"] == 93
    assert found["sequence", "public.letter_small_seq"]["largest"] == 32767
    assert ("sequence", "public.fine") not in found


def test_slots_archiving_and_settings_that_wait(world: Care, server: Server):
    server.run("SELECT pg_create_physical_replication_slot('left_over', true)", "postgres")
    server.run_each("ALTER SYSTEM SET archive_command = 'false'", "ALTER SYSTEM SET max_connections = 120")
    server.run("SELECT pg_reload_conf()")
    server.run("CREATE TABLE letter (id int); INSERT INTO letter VALUES (1); SELECT pg_switch_wal()")
    server.until("SELECT failed_count > 0 FROM pg_stat_archiver")
    found = world.findings(slot_bytes=1)
    assert found["slot", "left_over"]["active"] is False
    assert found["archive", None]["failed"] > 0
    assert ("pending_restart", "max_connections") in found
    server.run_each("SELECT pg_drop_replication_slot('left_over')", "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    server.until("SELECT count(*) = 0 FROM pg_settings WHERE pending_restart")


def test_space_and_age_are_held_against_policy(world: Care, server: Server):
    assert ("space", f"{server.folder}/data") in world.findings(free_percent=101)
    assert ("wraparound", DATABASE) in world.findings(wraparound_percent=0)


def test_what_a_role_may_not_see_is_named(world: Care, server: Server):
    server.run_each(
        "DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        TABLE.format(40000) + "; CREATE INDEX one ON letter (text); CREATE SEQUENCE kept",
        "ANALYZE letter",
    )
    holder = server.hold("SELECT 1")
    world.role = "stranger"
    found = world.inspect()
    unknown = {one["part"]: one["reason"] for one in found["unknown"]}
    assert "grant the role pg_read_all_stats" in unknown["sessions"]
    assert "pg_read_all_settings" in unknown["places"]
    assert "that the role may read: grant it SELECT" in unknown["bloat"]
    assert OLD or "1 sequences may not be read by the role: grant it SELECT" in unknown["sequences"]
    assert found["measures"]["tables"] > 1
    holder.kill()


def test_statements_are_told_by_number_and_time_and_never_by_text(
    world: Care, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with running(shared_preload_libraries="pg_stat_statements") as loaded:
        loaded.run_each("CREATE EXTENSION pg_stat_statements", "SELECT 'private', pg_sleep(0.01)")
        found = Care(loaded, tmp_path, monkeypatch).inspect()
        assert found["measures"]["statements"][0]["calls"] >= 1
        assert "private" not in str(found)


def test_a_server_that_is_down_could_not_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    nowhere = Server()
    found = Care(nowhere, tmp_path, monkeypatch).inspect()
    assert found["not_judged"].startswith("could not judge: psql: error: connection to server on socket")
    nowhere.remove()
