"""Whatever stops a purge of history, the next run goes on: no row is lost, none is deleted that was not exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from yunwei_database import history_purge
from yunwei_host import pull
from yunwei_host.faults import FaultError, RefusedByPolicyError

from tests.history_world import OLD, QUOTED, TABLE, HistoryWorld, history_stages
from tests.postgres import Server, running
from tests.pull_world import die, killed
from tests.stages import Stages


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # What a server says of time limits must not matter.
    with running(statement_timeout="0", lock_timeout="0", deadlock_timeout="100ms") as made:
        yield made


@pytest.fixture(scope="module")
def stages(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Stages[HistoryWorld]:
    return history_stages(tmp_path_factory.mktemp("history"), server)


@pytest.fixture
def world(stages: Stages[HistoryWorld], monkeypatch: pytest.MonkeyPatch, server: Server) -> HistoryWorld:
    server.fresh()
    server.run(TABLE)
    return stages.back_to("empty repository", monkeypatch)


def nothing_is_lost(world: HistoryWorld, before: str) -> None:
    """Every row of before is in the table or in an export that counts."""
    kept = set(world.content("COPY ({0}) TO STDOUT").splitlines())
    for record in world.store.load():
        kept |= set(world.payload(record).decode().splitlines())
    assert set(before.splitlines()) <= kept


def die_at(number: int) -> Callable[..., None]:
    """Return what takes the place of the deletion of a batch: the process dies at this one."""
    real, done = history_purge.Purge._delete, []

    def delete(self: history_purge.Purge, *given: object) -> None:
        done.append(given)
        if len(done) == number:
            die()
        real(self, *given)

    return delete


@pytest.mark.parametrize("step", ["_take", "_record", "_store_manifest"])
def test_a_killed_export_deletes_nothing_and_the_next_run_does_it_all(
    world: HistoryWorld, monkeypatch: pytest.MonkeyPatch, step: str
):
    before = world.content("COPY ({0}) TO STDOUT")
    planned = world.plan()[1]
    with monkeypatch.context() as patch:
        patch.setattr(pull.Pull, step, die)
        killed(lambda: world.archive(planned))
    world.runs += 1
    assert (world.rows(), world.store.load()) == (3000, [])
    assert world.whole()["gone"] == OLD
    assert (world.rows(), world.store.pending()) == (3000 - OLD, {})
    nothing_is_lost(world, before)


@pytest.mark.parametrize("number", [1, 3])
def test_a_killed_deletion_goes_on_with_the_next_run(
    world: HistoryWorld, monkeypatch: pytest.MonkeyPatch, server: Server, number: int
):
    before = world.content("COPY ({0}) TO STDOUT")
    archived = world.archive(world.plan()[1])
    with monkeypatch.context() as patch:
        patch.setattr(history_purge.Purge, "_delete", die_at(number))
        killed(lambda: world.purge(archived))
    world.runs += 1
    gone = 500 * (number - 1)
    server.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'yunwei-purge%'")
    assert world.rows() == 3000 - gone
    assert world.whole()["gone"] == OLD - gone
    nothing_is_lost(world, before)


def test_a_session_that_is_ended_is_a_failure_and_the_next_run_goes_on(world: HistoryWorld, server: Server):
    before = world.content("COPY ({0}) TO STDOUT")
    server.run(f"""
    CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     IF OLD."Id" = 1200 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN OLD; END $$;
    CREATE TRIGGER cut BEFORE DELETE ON {QUOTED} FOR EACH ROW EXECUTE PROCEDURE cut();
    """)
    done = world.whole()
    assert (done["status"], done["gone"], done["after"]) == ("failed", 1000, {"rows": None})
    server.run(f"DROP TRIGGER cut ON {QUOTED}")
    assert world.whole()["gone"] == OLD - 1000
    nothing_is_lost(world, before)


def test_a_server_that_is_down_could_not_be_judged(world: HistoryWorld, server: Server):
    archived = world.archive(world.plan()[1])
    server.stop("fast")
    try:
        row, planned = world.plan(now=0)
        assert (row["status"], planned) == ("could not judge", [])
        done = world.purge(archived, now=0)
        assert (done["status"], done["gone"]) == ("failed", 0)
        with pytest.raises(FaultError, match="was not archived, so nothing is removed"):
            world.archive([{"rule": "operations", "before": "2025-01-01", "parts": None}])
    finally:
        server.start()
    assert world.rows() == 3000


def test_a_database_that_is_closed_for_changes_is_left_alone(world: HistoryWorld, server: Server):
    archived = world.archive(world.plan()[1])
    server.run("ALTER DATABASE test SET default_transaction_read_only = on")
    with pytest.raises(RefusedByPolicyError, match="default_transaction_read_only is on"):
        world.plan()
    done = world.purge(archived)
    assert (done["status"], done["gone"], world.rows()) == ("failed", 0, 3000)


def test_a_row_that_somebody_keeps_locked_stays_with_its_batch(world: HistoryWorld, server: Server):
    archived = world.archive(world.plan()[1])
    holder = server.hold(f'BEGIN; SELECT FROM {QUOTED} WHERE "Id" = 600 FOR UPDATE')
    done = world.purge(archived)
    assert (done["status"], done["gone"]) == ("deleted", OLD - 500)
    assert "500 rows stay: it waited for a lock for 1 seconds" in done["reason"]
    assert holder.poll() is None
    holder.kill()
    server.until(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE '%FOR UPDATE%' AND pid <> pg_backend_pid()"
    )
    assert world.whole()["gone"] == 500


def test_a_table_that_somebody_keeps_locked_is_left_to_the_next_run(world: HistoryWorld, server: Server):
    world.rule(batch_rows=300)
    archived = world.archive(world.plan()[1])
    holder = server.hold(f'BEGIN; SELECT FROM {QUOTED} WHERE "Id" IN (1, 400, 700) FOR UPDATE')
    done = world.purge(archived)
    assert (done["status"], done["gone"]) == ("postponed", 0)
    assert "others were at work" in done["reason"]
    assert holder.poll() is None


def test_nothing_begins_with_the_window_about_to_close(world: HistoryWorld):
    archived = world.archive(world.plan()[1])
    world.closes_in(60)
    done = world.purge(archived)
    assert (done["status"], done["gone"]) == ("postponed", 0)
    assert "less than 60 seconds of the window are left: 1826 rows stay" in done["reason"]


def test_no_window_no_run(world: HistoryWorld):
    world.work.update(until=None, closed="closed until Monday")
    with pytest.raises(RefusedByPolicyError, match="REFUSED: closed until Monday"):
        world.plan()
    row, planned = world.plan(check=True)
    assert (row["status"], len(planned)) == ("would export and delete", 1)


@pytest.mark.parametrize("days", [-2, 2, 4000])
def test_a_clock_that_jumped_deletes_nothing(world: HistoryWorld, days: int):
    with pytest.raises(RefusedByPolicyError, match="ages cannot be judged"):
        world.plan(now=world.now() + days * 86400)


def test_a_permission_that_has_expired_deletes_nothing(world: HistoryWorld):
    archived = world.archive(world.plan()[1])
    world.work["today"] = "2028-01-01"
    for act in (world.plan, lambda: world.purge(archived)):
        with pytest.raises(RefusedByPolicyError, match="permission LAB-1 of history rule operations expired"):
            act()


def test_a_list_that_names_young_rows_does_not_delete_them(world: HistoryWorld):
    world.rule(before="2027-01-01T00:00:00+08:00")
    archived = world.archive(world.plan()[1])
    world.rule()
    done = world.purge(archived)
    assert done["gone"] == OLD
    assert world.rows() == 3000 - OLD
