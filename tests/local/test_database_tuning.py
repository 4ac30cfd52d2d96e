"""What advice on parameters is made from, read at a real server, and the advice that comes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from yunwei_database.tuning_facts import NAMES

from tests.postgres import Care, Server, running
from yunwei.databases import tuning
from yunwei.databases.tuning_server import GIB
from yunwei.databases.tuning_server import Server as Told

MISSING_BEFORE_13 = {"hash_mem_multiplier"} if "TEST_POSTGRESQL_OLD" in os.environ else set()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    settings = {"checkpoint_completion_target": "0.5", "max_parallel_workers": "1000"}
    # With a line of its own a change that waits for a restart can be taken back.
    with running(**settings, shared_preload_libraries="''") as made:
        yield made


def advise(told: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    advice, unknown = tuning.advise(Told({**told, "system": "mediation"}, 1, 80))
    return {one["rule"]: one for one in advice}, {one["part"]: one["reason"] for one in unknown}


def test_parameters_counts_and_the_machine_are_read(world: Care):
    facts = world.inspect()["tuning"]
    assert facts["unknown"] == []
    assert {row["name"] for row in facts["settings"]} == set(NAMES) - MISSING_BEFORE_13
    assert facts["own_values"] == []
    assert 1 <= facts["machine"]["cpus"]["count"] <= (os.cpu_count() or 1)
    assert 0 < facts["machine"]["memory"]["bytes"] <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert set(facts["temporary"][0]) == {"files", "bytes", "transactions"}
    assert set(facts["checkpoints"][0]) == {"timed", "requested"}


def test_the_advice_names_the_place_and_what_it_takes(world: Care, server: Server):
    advice, unknown = advise(world.inspect())
    assert unknown == {}
    assert set(advice) >= {"fsync", "autovacuum", "checkpoint_completion_target", "max_parallel_workers", "statements"}
    file = f"{server.folder}/data/postgresql.conf"
    assert (advice["fsync"]["now"]["value"], advice["fsync"]["apply"]) == ("off", "reload")
    assert all(one["now"]["sourcefile"] == file for name, one in advice.items() if name in ("fsync", "autovacuum"))
    assert advice["statements"]["apply"] == "restart"


def test_every_proposed_value_is_one_that_the_server_takes(world: Care, server: Server):
    advice = [*advise(world.inspect())[0].values()]
    for size in (GIB // 4, 64 * GIB):
        told = world.inspect()
        told["tuning"]["machine"]["memory"]["bytes"] = size
        told["tuning"]["temporary"] = [{"files": 1000, "bytes": 1 << 30, "transactions": 1000}]
        told["tuning"]["checkpoints"] = [{"timed": 1, "requested": 1000}]
        told["measures"]["sessions_total"] = 90 if size > GIB else 1
        advice += [*advise(told)[0].values()]
    assert {one["rule"] for one in advice} >= {
        "shared_buffers_small", "shared_buffers_large", "effective_cache_size", "work_mem_large", "work_mem_small",
        "log_temp_files", "max_connections", "max_wal_size",
    }  # fmt: skip
    for one in advice:
        server.run(f"ALTER SYSTEM SET {one['setting']} = '{one['proposed']}'")
    server.run("ALTER SYSTEM RESET ALL")


def test_a_change_that_waits_and_values_of_others_are_noted(world: Care, server: Server):
    server.run_each(
        "ALTER SYSTEM SET shared_preload_libraries = 'auto_explain'",
        "SELECT pg_reload_conf()",
        "ALTER DATABASE test SET max_parallel_workers = 999",
    )
    server.until("SELECT count(*) = 1 FROM pg_settings WHERE pending_restart")
    advice, _ = advise(world.inspect())
    assert (advice["statements"]["now"]["pending_restart"], set(advice["statements"]["notes"])) == (True, {"pending"})
    workers = advice["max_parallel_workers"]
    assert (workers["now"]["value"], workers["now"]["source"]) == ("999", "database")
    assert workers["notes"] == {"own_values": "* in test: 999"}
    server.run_each("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    server.until("SELECT count(*) = 0 FROM pg_settings WHERE pending_restart")


def test_what_a_role_may_not_see_could_not_be_judged(world: Care, server: Server):
    server.run("DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN; ALTER ROLE stranger SET work_mem = '1GB'")
    world.role = "stranger"
    advice, unknown = advise(world.inspect())
    assert "may not see shared_preload_libraries: grant it pg_read_all_settings" in unknown["statements"]
    assert "work_mem is set for the role that looks (user)" in unknown["work_mem_large"]
    assert (advice["fsync"]["now"]["sourcefile"], set(advice["fsync"]["notes"])) == (None, {"place_hidden"})


def test_statements_that_spill_are_counted(world: Care, server: Server):
    server.run("SET work_mem = '64kB'; SELECT count(*) FROM (SELECT i FROM generate_series(1, 100000) i ORDER BY -i) s")
    server.until("SELECT temp_files > 0 FROM pg_stat_database WHERE datname = 'test'")
    (counted,) = world.inspect()["tuning"]["temporary"]
    assert counted["files"] >= 1
    assert counted["bytes"] > 100000


def test_no_parameter_that_may_hold_a_secret_is_read(world: Care, server: Server):
    server.run_each("ALTER SYSTEM SET primary_conninfo = 'password=geheim'", "SELECT pg_reload_conf()")
    server.until("SELECT count(*) = 1 FROM pg_settings WHERE name = 'primary_conninfo' AND setting LIKE '%geheim%'")
    assert "geheim" not in str(world.inspect())
    server.run_each("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
