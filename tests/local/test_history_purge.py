"""Old rows leave their database only once they were exported as they are and read back: real server, real restic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from yunwei_host.faults import FaultError, RefusedByPolicyError

from tests.history_world import OLD, QUOTED, TABLE, HistoryWorld, history_stages
from tests.postgres import Server, running
from tests.stages import Stages

PARTITIONED = """
CREATE TABLE "访问" (id int, at timestamp NOT NULL, text text) PARTITION BY RANGE (at);
CREATE TABLE "访问 2023" PARTITION OF "访问" FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE "访问 2024" PARTITION OF "访问" FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE "访问 2025" PARTITION OF "访问" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE rest PARTITION OF "访问" DEFAULT;
INSERT INTO "访问" SELECT i, timestamp '2023-01-01' + i * interval '1 day', 'x' FROM generate_series(0, 1200) i;
"""
WHOLE = {"table": "访问", "column": "at", "partitions": True}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(datestyle="'German, DMY'", timezone="'Asia/Shanghai'", statement_timeout="0") as made:
        yield made


@pytest.fixture(scope="module")
def stages(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Stages[HistoryWorld]:
    return history_stages(tmp_path_factory.mktemp("history"), server)


@pytest.fixture
def world(stages: Stages[HistoryWorld], monkeypatch: pytest.MonkeyPatch, server: Server) -> HistoryWorld:
    server.fresh()
    server.run(TABLE)
    return stages.back_to("empty repository", monkeypatch)


def test_old_rows_are_exported_read_back_and_then_gone(world: HistoryWorld):
    row, planned = world.plan()
    assert (row["status"], row["before"]["rows"], row["before"]["total"]) == ("would export and delete", OLD, 3000)
    assert (row["before"]["oldest"], row["before"]["newest"]) == ("2020-01-01 16:00:00+00", "2024-12-30 16:00:00+00")
    assert world.rows() == 3000
    done = world.purge(world.archive(planned))
    assert (done["status"], done["gone"], done["exported"]) == ("deleted", OLD, OLD)
    assert (done["before"], done["after"]) == ({"rows": 3000}, {"rows": 3000 - OLD})
    assert world.rows("\"at's\" < '2025-01-01+08'") == 0
    (record,) = world.store.load()
    assert (record["item"], record["counts"]["rows"]) == ("history:operations", OLD)
    assert record["verified"]["how"] == "sha256, rows"
    row, planned = world.plan()
    assert (row["status"], planned) == ("nothing is old", [])


def test_the_export_can_be_loaded_again_and_is_what_was_there(world: HistoryWorld, server: Server):
    everything = world.content()
    world.whole()
    (record,) = world.store.load()
    line = next(line for line in world.lines(record) if line["t"] == "history")
    columns = ", ".join(name for name, _ in line["columns"])
    file = world.base / "export"
    file.write_bytes(world.payload(record))
    server.run(f"\\copy {QUOTED} ({columns}) FROM '{file}'")
    assert world.content() == everything


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE %s SET "说明" = 'another' WHERE "Id" = 700""",
        """UPDATE %s SET "Id" = 70000 WHERE "Id" = 700""",
        """UPDATE %s SET "at's" = '2026-01-01' WHERE "Id" = 700""",
        """INSERT INTO %s VALUES (-1, '2020-01-01+08')""",
    ],
)
def test_a_row_that_is_not_as_it_was_exported_stays(world: HistoryWorld, server: Server, change: str):
    archived = world.archive(world.plan()[1])
    server.run(change % QUOTED)
    done = world.purge(archived)
    inserted = change.startswith("INSERT")
    assert (done["status"], done["gone"]) == ("deleted", OLD - (not inserted))
    assert world.rows() == 3000 - OLD + 1
    assert ("1 rows stay: they are not as they were exported" in str(done["reason"])) == (not inserted)


def test_a_trigger_that_keeps_a_row_is_obeyed(world: HistoryWorld, server: Server):
    server.run(f"""
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN IF OLD."Id" = 5 THEN RETURN NULL; END IF; RETURN OLD; END $$;
    CREATE TRIGGER "守" BEFORE DELETE ON {QUOTED} FOR EACH ROW EXECUTE PROCEDURE keep();
    """)
    row, planned = world.plan()
    assert row["reason"].endswith("triggers fire: 守")
    assert world.purge(world.archive(planned))["gone"] == OLD - 1
    assert world.rows('"Id" = 5') == 1


def test_a_run_takes_the_oldest_rows_where_they_are_too_many_for_one(world: HistoryWorld):
    world.rule(rows_per_run=1000)
    assert world.whole()["gone"] == 1000
    assert world.rows('"Id" <= 1000') == 0
    assert world.whole()["gone"] == OLD - 1000


def test_more_rows_of_one_moment_than_a_run_takes_are_refused(world: HistoryWorld, server: Server):
    server.run(f'UPDATE {QUOTED} SET "at\'s" = \'2020-01-01\' WHERE "Id" <= 30')  # noqa: S608
    world.rule(rows_per_run=20)
    with pytest.raises(RefusedByPolicyError, match="raise rows_per_run"):
        world.plan()


def test_a_share_that_is_too_large_deletes_nothing(world: HistoryWorld):
    world.rule(largest_share_percent=60)
    row, planned = world.plan(check=True)
    assert (row["status"], planned) == ("refused", [])
    with pytest.raises(RefusedByPolicyError, match=r"1826 of 3000 rows are old, 60\.9 % where 60 % may be"):
        world.plan()


def test_rows_that_vanish_between_plan_and_deletion_do_not_raise_the_share(world: HistoryWorld, server: Server):
    archived = world.archive(world.plan()[1])
    server.run(f'DELETE FROM {QUOTED} WHERE "Id" > 1900')  # noqa: S608
    done = world.purge(archived)
    assert (done["status"], done["gone"], world.rows()) == ("failed", 0, 1900)
    assert "1826 of 1900 rows are old" in done["reason"]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ('CREATE TABLE "子" (id bigint REFERENCES %s ON DELETE CASCADE)', "子\" would delete rows there"),
        ('CREATE TABLE child (id bigint REFERENCES %s)', "child would block it"),
        ("DROP INDEX \"操作 \"\"Log's_at's_idx\"", "no index begins with column at's"),
        ("ALTER TABLE %s DROP CONSTRAINT \"操作 \"\"Log's_pkey\"", "it has no primary key"),
        ("CREATE RULE keep AS ON DELETE TO %s DO INSTEAD NOTHING", "its DELETE is rewritten by a rule: keep"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_refused(world: HistoryWorld, server: Server, sql: str, words: str):
    server.run(sql.replace("%s", QUOTED))
    with pytest.raises(RefusedByPolicyError, match=words):
        world.plan()


@pytest.mark.parametrize("field", ["schema", "table", "column"])
def test_a_name_is_a_name_whatever_is_in_it(world: HistoryWorld, field: str):
    world.rule(**{field: "x'; DROP TABLE " + QUOTED + "; -- \\' $$ :a"})
    with pytest.raises(RefusedByPolicyError, match=r"does not exist|has no column"):
        world.plan()
    assert world.rows() == 3000


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"before": "2030-01-01' OR true --", "parts": None}, "no moment was given"),
        ({"before": None, "parts": [["pg_catalog", "pg_authid"]]}, "no moment was given"),
    ],
)
def test_the_source_hands_out_nothing_but_what_the_rule_says(world: HistoryWorld, asked: dict[str, Any], words: str):
    with pytest.raises(FaultError, match=words):
        world.archive([{"rule": "operations", **asked}])
    assert (world.store.load(), world.store.pending()) == ([], {})


def test_a_list_that_is_not_of_the_archive_deletes_nothing(world: HistoryWorld):
    archived = world.archive(world.plan()[1])
    with pytest.raises(FaultError, match="its digest is another"):
        world.purge({**archived, "sha256": "0" * 64})
    assert world.rows() == 3000


def test_keys_of_several_columns_and_odd_texts(world: HistoryWorld, server: Server):
    server.run(r"""
    CREATE TABLE odd (a text COLLATE "C", b date, at date, PRIMARY KEY (b, a)); CREATE INDEX ON odd (at);
    INSERT INTO odd SELECT E'\\''"\n{,中}' || i, date '2020-01-01' + i % 7, date '2020-01-01' + i
     FROM generate_series(1, 40) i;
    INSERT INTO odd VALUES ('', '2020-01-01', '2025-01-01');
    """)
    world.rule(table="odd", column="at", batch_rows=7, largest_share_percent=99)
    assert world.whole()["gone"] == 40
    assert server.run("SELECT count(*) FROM odd") == "1"


def test_partitions_go_whole_once_they_hold_nothing_younger(world: HistoryWorld, server: Server):
    server.run(PARTITIONED)
    world.rule(**WHOLE)
    row, planned = world.plan()
    assert (row["status"], row["before"]["rows"]) == ("would export and drop", 731)
    assert [part[1] for part in planned[0]["parts"]] == ["访问 2023", "访问 2024"]
    done = world.purge(world.archive(planned))
    assert (done["status"], done["gone"], done["after"]) == ("dropped", 731, {"rows": 1201 - 731})
    assert server.run("SELECT count(*) FROM pg_inherits") == "2"
    (record,) = world.store.load()
    assert world.payload(record).count(b"\n") == 731
    assert world.plan()[0]["status"] == "nothing is old"


def test_a_partition_that_is_not_as_it_was_exported_stays(world: HistoryWorld, server: Server):
    server.run(PARTITIONED)
    world.rule(**WHOLE)
    archived = world.archive(world.plan()[1])
    server.run("INSERT INTO \"访问\" VALUES (7, '2024-06-01', 'late')")
    done = world.purge(archived)
    assert (done["status"], done["gone"]) == ("dropped", 365)
    assert server.run('SELECT count(*) FROM "访问 2024"') == "367"


def test_a_table_that_is_no_partition_is_not_handed_out(world: HistoryWorld, server: Server):
    server.run(PARTITIONED)
    world.rule(**WHOLE)
    with pytest.raises(FaultError, match="is no partition of it"):
        world.archive([{"rule": "operations", "before": None, "parts": [["public", "操作 \"Log's"]]}])
