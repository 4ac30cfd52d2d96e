"""Setting a living database aside on a real server: renamed as a whole, or in service as before."""

from types import SimpleNamespace

import pytest
from yunwei_restore import databases, server
from yunwei_restore.errors import NotJudgedError

from tests.postgres import DATABASE, OWNER, binaries, running

ITEM = f"database:{DATABASE}"
IS_OPEN = "SELECT datallowconn FROM pg_database WHERE datname = 'test'"
DUMP = SimpleNamespace(item=ITEM, name=DATABASE)


@pytest.fixture(scope="module")
def world():
    with running(max_prepared_transactions="2") as made:
        yield made


@pytest.fixture
def living(world):
    world.fresh()
    return world


def set_aside(living):
    target = server.Server(str(binaries()), str(living.folder), 5432, "postgres", OWNER)
    return databases.set_aside(DUMP, target, [ITEM])


def test_the_safety_copy_keeps_its_rows_and_takes_sessions(living):
    living.hold("CREATE TABLE mine AS SELECT 1")
    safe = set_aside(living)
    assert living.run("SELECT * FROM mine", safe) == "1"
    assert living.run(IS_OPEN, "postgres") == ""
    living.run(f'ALTER DATABASE "{safe}" RENAME TO {DATABASE}', "postgres")


def test_a_database_that_cannot_be_renamed_takes_sessions_again(living):
    living.run("CREATE TABLE mine (id int); BEGIN; INSERT INTO mine VALUES (1); PREPARE TRANSACTION 'of two phases'")
    with pytest.raises(NotJudgedError, match=r"cannot be set aside: .*being accessed by other users") as caught:
        set_aside(living)
    assert "prepared transactions" in caught.value.next_step
    living.run("COMMIT PREPARED 'of two phases'")
    assert living.run("SELECT * FROM mine") == "1"


def test_a_database_that_was_closed_before_stays_closed(living):
    living.run("BEGIN; CREATE TABLE mine (id int); PREPARE TRANSACTION 'of two phases'")
    living.run(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false", "postgres")
    with pytest.raises(NotJudgedError):
        set_aside(living)
    assert living.run(IS_OPEN, "postgres") == "f"
    living.run(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true", "postgres")
