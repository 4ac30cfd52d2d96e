"""The upkeep of databases at a real server: what needs it gets it, nobody waits for it, and no kill leaves anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from yunwei_database import postgresql_upkeep
from yunwei_database.faults import SqlError
from yunwei_database.upkeep import Clock
from yunwei_host.faults import RefusedByPolicyError

from tests.postgres import Care, Server, reasons, running, statuses

INDEX, KEY, TABLE = "index public.letter_text", "index public.letter_pkey", "table public.letter"
LETTERS = """
CREATE TABLE letter (id bigint PRIMARY KEY, text text);
INSERT INTO letter SELECT i, md5(i::text) FROM generate_series(1, 60000) i;
CREATE INDEX letter_text ON letter (text);
"""
WITH_STATISTICS = (LETTERS, "ANALYZE letter")
BLOATED = (*WITH_STATISTICS, "DELETE FROM letter WHERE id % 10 <> 0")
WASTEFUL = (*BLOATED, "VACUUM ANALYZE letter")
ROLES = """
DO $$ BEGIN
 CREATE ROLE app; CREATE ROLE upkeep LOGIN IN ROLE app, pg_monitor; CREATE ROLE blind LOGIN IN ROLE app;
 CREATE ROLE lesser LOGIN IN ROLE pg_monitor;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT CREATE ON SCHEMA public TO app;
"""
# A snapshot that a concurrent build has to wait for; it holds no lock of any table.
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current();"
BUILDING = "SELECT count(*) = 1 FROM pg_class WHERE relname ~ '_ccnew'"
ONLINE = pytest.mark.skipif("TEST_POSTGRESQL_OLD" in os.environ, reason="before version 12 nothing is rebuilt online")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(autovacuum_freeze_max_age="100000") as made:
        yield made


@pytest.fixture
def world(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Care:
    """Return an empty database and what is done to it."""
    server.fresh()
    return Care(server, tmp_path, monkeypatch)


def size(server: Server, index: str) -> int:
    return int(server.run(f"SELECT pg_relation_size('{index}')"))


def row(summary: dict[str, Any], item: str) -> dict[str, Any]:
    (found,) = [one for one in summary["items"] if one["item"].endswith(item)]
    return dict(found)


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
    assert world.plan() == {}


def test_a_table_that_needs_nothing_is_left_alone(world: Care, server: Server):
    server.run_each(LETTERS, "VACUUM ANALYZE letter; CREATE TABLE other AS SELECT * FROM letter", "ANALYZE other")
    server.run("DELETE FROM other WHERE id % 2 = 0")
    before = server.run("SELECT last_vacuum, last_analyze FROM pg_stat_user_tables WHERE relname = 'letter'")
    assert statuses(world.maintain()) == {"table public.other": "vacuumed"}
    assert server.run("SELECT last_vacuum, last_analyze FROM pg_stat_user_tables WHERE relname = 'letter'") == before


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


@ONLINE
def test_an_invalid_index_without_a_valid_twin_is_a_persons_to_judge(world: Care, server: Server):
    server.run_each(LETTERS, "INSERT INTO letter VALUES (0, md5('1'))", "ANALYZE letter")
    failing = server.start_session("CREATE UNIQUE INDEX CONCURRENTLY one ON letter (text)")
    assert "could not create unique index" in failing.communicate()[1]
    done = world.maintain()
    assert statuses(done) == {"index public.one": "left"}
    assert "by hand" in reasons(done)
    assert server.invalid() == ["one"]


class Looking(Clock):
    """Looks, whenever the upkeep sleeps, how many sessions wait for a lock of a table."""

    def __init__(self, server: Server) -> None:
        self.server, self.waiting = server, list[str]()

    def sleep(self, seconds: float) -> None:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        self.waiting.append(self.server.run(waiting))
        super().sleep(seconds)


@ONLINE
def test_an_index_that_somebody_builds_is_not_taken_for_a_leftover(world: Care, server: Server):
    server.run_each(*WITH_STATISTICS)
    holder = server.hold(SNAPSHOT)
    build = server.start_session("REINDEX INDEX CONCURRENTLY letter_text")
    server.until(BUILDING)
    looking = Looking(server)
    done = world.maintain(looking)
    assert statuses(done) == {"index public.letter_text_ccnew": "postponed"}
    assert set(looking.waiting) == {"0"}
    assert "kept a lock" in reasons(done)
    holder.kill()
    assert build.wait(60) == 0
    assert server.invalid() == [""]
    assert world.plan() == {}


def test_a_lock_that_is_held_for_ever_stops_neither_look_nor_work(world: Care, server: Server):
    server.run_each(*BLOATED, "CREATE TABLE other AS SELECT * FROM letter; DELETE FROM other")
    server.hold("BEGIN; LOCK TABLE letter IN ACCESS EXCLUSIVE MODE;")
    assert ("held_table", "public.letter") in world.findings()
    done = statuses(world.maintain())
    assert done[TABLE] == "left"
    assert done["table public.other"] == "vacuumed"


def test_nobody_ever_waits_behind_a_lock_that_it_waits_for(world: Care, server: Server):
    server.run_each(*BLOATED)
    server.hold("BEGIN; LOCK TABLE letter IN SHARE UPDATE EXCLUSIVE MODE;")
    looking = Looking(server)
    done = world.maintain(looking)
    assert statuses(done)[TABLE] == "postponed"
    assert set(looking.waiting) == {"0"}


@ONLINE
def test_a_rebuild_gives_way_to_whoever_waits_behind_it(world: Care, server: Server):
    server.run_each(*WASTEFUL)
    server.hold(SNAPSHOT)
    work = start(world)
    server.until(BUILDING)
    wanting = server.start_session("ALTER TABLE letter ADD COLUMN note text")
    done = finish(work)
    assert wanting.wait(60) == 0
    assert statuses(done) == {INDEX: "postponed"}
    assert "gave way: 1 sessions waited" in reasons(done)
    assert server.invalid() == [""], "what it had begun is taken away"


@ONLINE
def test_work_ends_where_nobody_can_look_on(world: Care, server: Server, monkeypatch: pytest.MonkeyPatch):
    """Its answer would be taken for that to the next question: no statement may follow in that session."""
    server.run_each(*WASTEFUL)
    server.hold(SNAPSHOT)
    real = postgresql_upkeep.Yielding.look

    def look(self: Any) -> None:
        if server.run(BUILDING) == "t":
            raise SqlError("57014", "canceling statement due to user request")
        real(self)

    monkeypatch.setattr(postgresql_upkeep.Yielding, "look", look)
    done = world.maintain()
    assert statuses(done) == {INDEX: "failed"}
    assert "the session that looks on failed" in reasons(done)


@ONLINE
def test_a_rebuild_does_not_begin_while_an_old_transaction_is_open(world: Care, server: Server):
    server.run_each(*WASTEFUL)
    server.hold(SNAPSHOT)
    world.limits["transaction_seconds"] = 0
    done = world.maintain()
    assert statuses(done) == {INDEX: "postponed"}
    assert "would wait for session" in reasons(done)


def start(world: Care) -> subprocess.Popen[str]:
    """Start the upkeep as a process of its own, as a module is one."""
    code = (
        "import json, sys; from pathlib import Path; import pytest\n"
        "from tests.postgres import Care, Server\n"
        "server = Server.__new__(Server); server.folder = Path(sys.argv[1])\n"
        "world = Care(server, Path(sys.argv[2]), pytest.MonkeyPatch()); world.runs = 100\n"
        "world.limits = json.loads(sys.argv[3])\n"
        "print(json.dumps(world.maintain()))"
    )
    words = [str(world.server.folder), str(world.base), json.dumps(world.limits)]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(["module_utils", "."])}
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, env=path)


def finish(work: subprocess.Popen[str]) -> dict[str, Any]:
    return dict(json.loads(work.communicate(timeout=120)[0]))


@ONLINE
def test_killed_in_the_middle_it_is_finished_by_the_next_run(world: Care, server: Server):
    server.run_each(*WASTEFUL)
    holder = server.hold(SNAPSHOT)
    work = start(world)
    server.until(BUILDING)
    work.send_signal(signal.SIGKILL)
    work.communicate()
    server.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'yunwei-%'")
    holder.kill()
    holder.communicate()
    assert [name for name in server.invalid() if "_ccnew" in name]
    world.runs = 200
    done = statuses(world.maintain())
    assert done == {"index public.letter_text_ccnew": "removed", INDEX: "rebuilt"}
    assert server.invalid() == [""]
    assert world.plan() == {}


@ONLINE
def test_a_session_that_is_ended_in_the_middle_is_told_and_made_good(world: Care, server: Server):
    server.run_each(*WASTEFUL)
    holder = server.hold(SNAPSHOT)
    work = start(world)
    server.until(BUILDING)
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'REINDEX%'")
    done = finish(work)
    assert (row(done, INDEX)["status"], done["verdict"]) == ("failed", "failed")
    assert "terminating connection" in reasons(done)
    holder.kill()
    holder.communicate()
    world.runs = 200
    assert set(statuses(world.maintain()).values()) == {"removed", "rebuilt"}


@ONLINE
def test_it_stops_before_the_window_closes_and_goes_on_in_the_next(world: Care, server: Server):
    server.run_each(*WASTEFUL)
    holder = server.hold(SNAPSHOT)
    world.seconds, world.limits["least_seconds"] = 32, 1
    assert server.run("SHOW statement_timeout") == "0", "the server itself would let it run for ever"
    done = world.maintain()
    assert statuses(done) == {INDEX: "postponed"}
    assert "it was stopped after" in reasons(done)
    assert server.invalid() == [""]
    holder.kill()
    world.seconds = 3600
    assert statuses(world.maintain()) == {INDEX: "rebuilt"}


def test_nothing_begins_in_the_last_minutes_of_a_window(world: Care, server: Server):
    server.run_each(*BLOATED)
    world.seconds = 80
    done = world.maintain()
    assert set(statuses(done).values()) == {"postponed"}
    assert "less than 60 seconds of the window are left" in reasons(done)
    assert server.run("SELECT count(*) FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL") == "0"


def test_no_window_no_run_but_a_plan(world: Care, server: Server, monkeypatch: pytest.MonkeyPatch):
    server.run_each(*BLOATED)
    work = {**world.maintenance_work(), "until": None, "closed": "closed until Saturday"}
    monkeypatch.setattr(world, "maintenance_work", lambda: work)
    assert world.plan()["window"] == "closed"
    with pytest.raises(RefusedByPolicyError, match="REFUSED: closed until Saturday"):
        world.maintain()
    assert server.run("SELECT count(*) FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL") == "0"


def asleep(server: Server) -> None:
    server.start_session("SELECT pg_sleep(600)")
    server.until("SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")


def wake_up(server: Server) -> None:
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
    server.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")


def test_it_waits_for_a_calm_moment_and_not_for_ever(world: Care, server: Server):
    server.run_each(*BLOATED)
    world.limits["active_sessions"] = 0
    asleep(server)

    class Patient(Clock):
        slept: ClassVar[list[float]] = []

        def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)
            super().sleep(0.01)

        def now(self) -> float:
            return super().now() + sum(self.slept)

    done = world.maintain(Patient())
    assert set(statuses(done).values()) == {"postponed"}
    assert "1 sessions are at work, 0 are allowed" in reasons(done)
    assert Patient.slept == [1, 1]
    wake_up(server)
    assert statuses(world.maintain())[TABLE] == "vacuumed"


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
