"""The upkeep of databases at a real server: what needs it gets it, and what it must not touch stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Care, Server, reasons, running, statuses
from tests.upkeep_world import (
    BLOATED,
    BUILDING,
    INDEX,
    LETTERS,
    ONLINE,
    SNAPSHOT,
    TABLE,
    WASTEFUL,
    WITH_STATISTICS,
    asleep,
    row,
    wake_up,
)  # fmt: skip

ROLES = """
DO $$ BEGIN
 CREATE ROLE app; CREATE ROLE upkeep LOGIN IN ROLE app, pg_monitor; CREATE ROLE blind LOGIN IN ROLE app;
 CREATE ROLE lesser LOGIN IN ROLE pg_monitor;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT CREATE ON SCHEMA public TO app;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(autovacuum_freeze_max_age="100000") as made:
        yield made


def size(server: Server, index: str) -> int:
    return int(server.run(f"SELECT pg_relation_size('{index}')"))


@ONLINE
def test_bloat_is_taken_away_proven_and_not_made_again(world: Care, server: Server):
    server.run_each("CREATE EXTENSION amcheck", *BLOATED)
    before = {name: size(server, name) for name in ("letter_text", "letter_pkey")}
    assert world.plan() == {TABLE: "would vacuum", INDEX: "would rebuild"}
    assert {name: size(server, name) for name in before} == before
    done = world.maintain()
    assert statuses(done) == {TABLE: "vacuumed", INDEX: "rebuilt"}
    assert row(done, INDEX)["amcheck"] == "passed"
    assert row(done, INDEX)["after"]["bytes"] == size(server, "letter_text")
    assert row(done, TABLE)["after"]["dead"] == 0
    figures = done["databases"][0]
    assert figures["after"]["index_bytes"] < figures["before"]["index_bytes"] / 2
    assert world.plan() == statuses(world.maintain()) == {}
    kept = size(server, "letter_text")
    server.run("REINDEX INDEX letter_text")
    assert before["letter_text"] - kept >= 0.9 * (before["letter_text"] - size(server, "letter_text"))


@ONLINE
def test_an_index_that_a_rebuild_does_not_make_smaller_is_rebuilt_only_once(world: Care, server: Server):
    server.run_each(*WITH_STATISTICS)
    # An estimate that is wrong: statistics say that the column is narrow.
    server.run("UPDATE pg_statistic SET stawidth = 4 WHERE starelid = 'letter'::regclass AND staattnum = 2")
    assert statuses(world.maintain()) == {INDEX: "rebuilt"}
    assert world.plan() == {}


@ONLINE
def test_what_pgstattuple_measures_counts_more_than_an_estimate(world: Care, server: Server):
    server.run_each("CREATE EXTENSION pgstattuple", *WITH_STATISTICS)
    server.run("UPDATE pg_statistic SET stawidth = 4 WHERE starelid = 'letter'::regclass AND staattnum = 2")
    assert world.plan() == {INDEX: "would rebuild"}
    done = world.maintain()
    assert statuses(done) == {INDEX: "left"}
    assert "waste (estimated); it stays: 0 % are measured" in reasons(done)
    assert world.plan() == {}, "what was measured is remembered"


def test_a_table_that_needs_nothing_is_left_alone(world: Care, server: Server):
    server.run_each(LETTERS, "VACUUM ANALYZE letter; CREATE TABLE other AS SELECT * FROM letter", "ANALYZE other")
    server.run("DELETE FROM other WHERE id % 2 = 0")
    before = server.run("SELECT last_vacuum, last_analyze FROM pg_stat_user_tables WHERE relname = 'letter'")
    assert statuses(world.maintain()) == {"table public.other": "vacuumed"}
    assert server.run("SELECT last_vacuum, last_analyze FROM pg_stat_user_tables WHERE relname = 'letter'") == before


def test_counters_that_begin_anew_make_no_index_look_wasteful(world: Care, server: Server):
    """A crash of the server does it too, and then it has seen only the rows that came since."""
    server.run_each(*WITH_STATISTICS, "SELECT pg_stat_reset()")
    server.run("INSERT INTO letter SELECT i, md5(i::text) FROM generate_series(60001, 60010) i")
    assert world.plan() == {}


def test_changed_rows_are_counted_anew_without_a_vacuum(world: Care, server: Server):
    server.run("CREATE TABLE letter (id int); ANALYZE letter; INSERT INTO letter SELECT generate_series(1, 5000)")
    assert statuses(world.maintain()) == {TABLE: "analyzed"}
    assert world.plan() == {}
    assert server.run("SELECT reltuples FROM pg_class WHERE relname = 'letter'") == "5000"


def test_rows_are_frozen_before_the_server_does_it_by_force(world: Care, server: Server):
    server.run("CREATE TABLE old AS SELECT 1 AS id; ANALYZE old; VACUUM (FREEZE)")
    server.run("DO $$ BEGIN FOR i IN 1..3000 LOOP BEGIN INSERT INTO old VALUES (i); "
               "EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$; ANALYZE old")  # fmt: skip
    world.limits.update(freeze_percent=2, dead_rows=10**6, changed_rows=10**6)
    assert world.plan()["table public.old"] == "would freeze"
    done = world.maintain()
    assert row(done, "table public.old")["status"] == "frozen"
    assert set(statuses(done).values()) == {"frozen"}, "catalogs as well: they age like tables"
    assert int(server.run("SELECT max(age(relfrozenxid)) FROM pg_class WHERE relkind IN ('r', 't', 'm')")) < 2000
    assert world.plan() == {}


HOSTILE = ['Ab "c" d', "案件 表", "x'; DROP TABLE letter; --", "back\\slash", "per%cent", "new\nline", ":colon", "$$"]


@ONLINE
def test_names_are_names_whatever_they_hold(world: Care, server: Server):
    server.run("CREATE EXTENSION amcheck")
    for name in HOSTILE:
        text = (
            'CREATE SCHEMA "N"; CREATE TABLE "N"."N" (a text);'
            'INSERT INTO "N"."N" SELECT md5(i::text) FROM generate_series(1, 60000) i;'
            'CREATE INDEX "N i" ON "N"."N" (a);'
            """DELETE FROM "N"."N" WHERE a > '1'"""
        )
        server.run(text.replace('"N', '"' + name.replace('"', '""')))
    done = world.maintain()
    assert sorted(one["status"] for one in done["items"]) == ["rebuilt"] * len(HOSTILE) + ["vacuumed"] * len(HOSTILE)
    assert {one["amcheck"] for one in done["items"] if one["status"] == "rebuilt"} == {"passed"}
    assert world.plan() == {}


def leave_behind(server: Server, index: str) -> None:
    """Have a concurrent rebuild fail as it does when it is cancelled."""
    holder = server.hold(SNAPSHOT)
    build = server.start_session(f"REINDEX INDEX CONCURRENTLY {index}")
    server.until(BUILDING)
    server.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'REINDEX%'")
    build.communicate()
    holder.kill()
    holder.communicate()
    assert any("_ccnew" in name for name in server.invalid())


@ONLINE
@pytest.mark.parametrize(
    "definition", ["(text)", "(lower(text))", "(text) WHERE id > 7", "(id, text) WITH (fillfactor = 70)"]
)
def test_what_a_failed_rebuild_left_is_removed(world: Care, server: Server, definition: str):
    server.run_each(LETTERS, f"DROP INDEX letter_text; CREATE INDEX mine ON letter {definition}; ANALYZE letter")
    leave_behind(server, "mine")
    assert world.plan() == {"index public.mine_ccnew": "would remove"}
    assert statuses(world.maintain()) == {"index public.mine_ccnew": "removed"}
    assert server.invalid() == [""]
    assert server.run("SELECT count(*) FROM pg_class WHERE relname = 'mine'") == "1"


VIEW = """
CREATE MATERIALIZED VIEW seen AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 60000) i;
CREATE INDEX seen_text ON seen (text);
"""


@ONLINE
def test_indexes_of_a_materialized_view_are_rebuilt_and_their_leftovers_removed(world: Care, server: Server):
    server.run_each(VIEW, "ANALYZE seen")
    server.run("UPDATE pg_statistic SET stawidth = 4 WHERE starelid = 'seen'::regclass AND staattnum = 2")
    leave_behind(server, "seen_text")
    reader = server.hold("BEGIN; SELECT count(*) FROM seen")
    world.limits["bloat_bytes"] = 1 << 40
    done = world.maintain()
    assert statuses(done) == {"index public.seen_text_ccnew": "postponed"}
    assert "kept a lock of public.seen for 1 seconds" in reasons(done)
    assert server.invalid() == ["seen_text_ccnew"]
    reader.kill()
    reader.communicate()
    world.limits["bloat_bytes"] = 2 << 20
    assert statuses(world.maintain()) == {
        "index public.seen_text_ccnew": "removed",
        "index public.seen_text": "rebuilt",
    }
    assert (server.invalid(), world.plan()) == ([""], {})


@ONLINE
def test_an_invalid_index_without_a_valid_twin_is_a_persons_to_judge(world: Care, server: Server):
    server.run_each(LETTERS, "INSERT INTO letter VALUES (0, md5('1'))", "ANALYZE letter")
    failing = server.start_session("CREATE UNIQUE INDEX CONCURRENTLY one ON letter (text)")
    assert "could not create unique index" in failing.communicate()[1]
    done = world.maintain()
    assert statuses(done) == {"index public.one": "left"}
    assert "by hand" in reasons(done)
    assert server.invalid() == ["one"]


@ONLINE
def test_without_room_nothing_is_rebuilt(world: Care, server: Server):
    server.run_each(*WASTEFUL)
    world.limits["reserve_bytes"] = 1 << 60
    done = world.maintain()
    assert statuses(done) == {INDEX: "postponed"}
    assert "bytes of room on" in reasons(done)


@ONLINE
def test_without_amcheck_the_proof_could_not_be_made(world: Care, server: Server):
    server.run_each(*BLOATED)
    done = world.maintain()
    assert row(done, INDEX)["amcheck"] == "could not judge: the extension amcheck is not installed"


@ONLINE
def test_a_rebuild_that_cannot_be_remembered_is_told(world: Care, server: Server):
    server.run_each(*WASTEFUL)
    (world.base / "databases" / ".mediation-test-5432.json.new").mkdir(parents=True)
    done = world.maintain()
    assert statuses(done) == {INDEX: "rebuilt"}
    assert "its size could not be remembered: [Errno 21]" in reasons(done)


def test_what_is_remembered_and_spoilt_is_the_fault_of_one_database(world: Care):
    (world.base / "databases").mkdir()
    (world.base / "databases" / "mediation-test-5432.json").write_text("{")
    assert world.plan() == {"database:test": "could not judge"}
    done = world.maintain()
    assert (statuses(done), done["verdict"]) == ({"database:test": "failed"}, "failed")
    assert "is not the JSON that was written" in reasons(done)
    assert "is not the JSON that was written" in world.inspect()["not_judged"]


def test_a_database_that_is_closed_for_changes_is_left_alone(world: Care, server: Server):
    server.run_each(*BLOATED, "ALTER DATABASE test SET default_transaction_read_only = on")
    assert world.plan() == {"database:test": "left"}
    done = world.maintain()
    assert "closed the database for changes" in reasons(done)


@pytest.mark.parametrize("role", ["limited", "stranger"])
def test_a_login_that_is_refused_is_told_in_the_servers_words(world: Care, server: Server, role: str):
    server.run("DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN CONNECTION LIMIT 0")
    world.role = role
    done = world.maintain()
    assert done["verdict"] == "failed"
    assert ("too many connections" if role == "limited" else 'role "stranger" does not exist') in reasons(done)
    assert world.inspect()["not_judged"].startswith("could not judge: psql: error: connection to server")


def test_the_documented_role_may_do_all_and_a_lesser_one_says_what_it_lacks(world: Care, server: Server):
    server.run_each(ROLES, "SET ROLE app;" + LETTERS, *BLOATED[1:])
    world.role = "lesser"
    assert set(world.plan().values()) <= {"left", "could not judge"}
    world.role = "blind"
    asleep(server)
    done = world.maintain()
    assert "is hidden: grant the role pg_read_all_stats" in reasons(done)
    assert row(done, TABLE)["status"] == "postponed"
    wake_up(server)
    world.role = "upkeep"
    assert statuses(world.maintain())[TABLE] == "vacuumed"
    assert server.run("DROP TABLE letter; SELECT 1") == "1"


def test_a_standby_is_left_to_its_primary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with running() as alone:
        alone.run_each(*BLOATED)
        alone.stop("fast")
        if "TEST_POSTGRESQL_OLD" in os.environ:
            (alone.folder / "data" / "recovery.conf").write_text("standby_mode = on\n")
        (alone.folder / "data" / "standby.signal").touch()
        alone.start()
        world = Care(alone, tmp_path, monkeypatch)
        assert world.plan() == {"database:test": "left"}
        assert "a standby" in reasons(world.maintain())
        assert world.inspect()["measures"]["in_recovery"] is True
        alone.stop()
        assert "connection to server" in reasons(world.maintain())
