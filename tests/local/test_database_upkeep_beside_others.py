"""The upkeep of databases beside others at a real server: nobody waits for it, and no kill or end leaves anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from yunwei_database import postgresql_upkeep
from yunwei_database.faults import SqlError
from yunwei_database.upkeep import GRACE_SECONDS, Clock
from yunwei_host.faults import RefusedByPolicyError

from tests.estates import BIN
from tests.postgres import Care, Server, reasons, running, statuses
from tests.upkeep_world import (
    BLOATED,
    BUILDING,
    INDEX,
    ONLINE,
    SNAPSHOT,
    TABLE,
    WASTEFUL,
    WITH_STATISTICS,
    asleep,
    row,
    wake_up,
)  # fmt: skip
from yunwei.paths import content_root


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as made:
        yield made


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


PLAY = """
- hosts: all
  gather_facts: false
  tasks: [{include_role: {name: database_maintenance}}]
"""
# What a module keeps on its host goes into memory, away from this machine's own.
APART = 'mount -t tmpfs none /var/lib && mount -t tmpfs none /run/lock && exec "$@"'


def test_the_window_is_counted_from_each_systems_turn(world: Care, server: Server, tmp_path: Path):
    """The gate's time may be hours ago: the systems before this one had their turn since."""
    server.run_each(*BLOATED)
    until = datetime.now(UTC) + timedelta(seconds=GRACE_SECONDS + world.limits["least_seconds"] - 1)
    work = {"mediation": {**world.maintenance_work(), "until": until.isoformat()}}
    permit = {**world.permit(), "systems": ["mediation"]}
    given = {"database_maintenance_permit": permit, "database_maintenance_work": work}
    play, variables = tmp_path / "play.yml", tmp_path / "given.json"
    play.write_text(PLAY)
    variables.write_text(json.dumps({**given, "ansible_python_interpreter": sys.executable}))
    words = [str(BIN / "ansible-playbook"), "-v", "-c", "local", "-i", "db1,", "-e", f"@{variables}", str(play)]
    command = ["unshare", "--mount", "sh", "-c", APART, "sh", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=content_root())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "less than 60 seconds of the window are left" in done.stdout
    assert server.run("SELECT count(*) FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL") == "0"


def test_no_window_no_run_but_a_plan(world: Care, server: Server, monkeypatch: pytest.MonkeyPatch):
    server.run_each(*BLOATED)
    work = {**world.maintenance_work(), "until": None, "closed": "closed until Saturday"}
    monkeypatch.setattr(world, "maintenance_work", lambda: work)
    assert world.plan()["window"] == "closed"
    with pytest.raises(RefusedByPolicyError, match="REFUSED: closed until Saturday"):
        world.maintain()
    assert server.run("SELECT count(*) FROM pg_stat_user_tables WHERE last_vacuum IS NOT NULL") == "0"


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
