"""Which old rows of a database may go: rules of policy, and what the catalog says of their table."""

from __future__ import annotations

import base64
import contextlib
import struct
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from yunwei_database import history_plan
from yunwei_database import postgresql_history as sql
from yunwei_database.faults import SqlError
from yunwei_host import readback
from yunwei_host.faults import NotAcceptedError

from tests.inventories import MEDIATION, InventoryCopy
from tests.unit import source_runner
from yunwei import gate, work
from yunwei.errors import RefusedError, UsageError
from yunwei.ledger import Head

NOW = datetime(2026, 12, 1, 17, 0, tzinfo=UTC)  # the next day in Shanghai
RULES = """
history:
  - name: operations
    database: mediation
    schema_name: audit
    table: '操作"; DROP TABLE x; --'
    column: at
    keep_days: 1095
    largest_share_percent: 40
    permission: {reference: LAB-CONSENT-2026-04, expires: 2027-12-31}
"""
RULE: dict[str, Any] = {
    "partitions": False, "column": "at", "largest_share_percent": 40, "before": "2025-01-01T00:00:00+08:00",
}  # fmt: skip
TABLE: dict[str, Any] = {
    "number": 1, "kind": "r", "name": '"a b".t', "column": '"at"', "type": "timestamptz", "key": ["id"],
    "indexed": True, "references": [], "rules": [], "triggers": [], "granted": ["SELECT", "DELETE"], "owned": False,
    "ranged": False,
}  # fmt: skip
PARTITIONED = {**TABLE, "kind": "p", "ranged": True, "owned": True, "key": [], "indexed": False}


@pytest.fixture
def inventory(tmp_path: Path) -> InventoryCopy:
    copy = InventoryCopy(tmp_path)
    copy.pin_everything()
    path = copy.folder / MEDIATION
    path.write_text(path.read_text(encoding="utf-8") + RULES, encoding="utf-8")
    return copy


def test_a_rule_takes_what_is_older_than_a_day_s_beginning_in_the_estate_s_zone(inventory: InventoryCopy):
    found = work.history_work(inventory.load(), "mediation", None, NOW)
    (rule,) = found["rules"]["db1"]
    assert (rule["before"], rule["schema"], rule["table"]) == (
        "2023-12-03T00:00:00+08:00", "audit", '操作"; DROP TABLE x; --',
    )  # fmt: skip
    assert (rule["source"]["item"], rule["source"]["name"], rule["source"]["source_host"]) == (
        "history:operations", "operations", "db1",
    )  # fmt: skip
    assert (found["today"], rule["database"]["login"]["database"]) == ("2026-12-02", "mediation")


def test_a_source_hands_out_rows_of_the_rule_s_table_alone(inventory: InventoryCopy):
    (rule,) = work.source_work(inventory.load(), "db1")["systems"]["mediation"]["history"].values()
    assert (rule["database"], rule["schema"], rule["column"]) == ("mediation", "audit", "at")
    assert work.source_work(inventory.load(), "app1")["systems"]["mediation"]["history"] == {}


def test_a_copy_of_the_export_goes_to_the_second_site(inventory: InventoryCopy):
    assert "history:operations" in work.sync_work(inventory.load(), "mediation", Head(1, "ab" * 32), NOW)["items"]


def test_the_keys_of_hosts_with_rules_alone_are_fetched(inventory: InventoryCopy):
    system = inventory.load().system("mediation")
    assert gate._source_hosts(system, "purge-history") == ["db1"]


def test_an_unknown_rule_names_those_that_are_there(inventory: InventoryCopy):
    with pytest.raises(UsageError, match="mediation has no history rule 'operation'; rules: operations"):
        work.history_work(inventory.load(), "mediation", "operation", NOW)


def test_no_rule_works_without_a_permission_of_today(inventory: InventoryCopy):
    later = datetime(2028, 1, 1, tzinfo=UTC)
    with pytest.raises(RefusedError, match=r"permission LAB-CONSENT-2026-04 of history rule 'operations' expired"):
        work.history_work(inventory.load(), "mediation", None, later)
    (problem,) = [one for one in inventory.problems(date(2028, 1, 1)) if "history" in one.path]
    assert (problem.path, problem.stops) == ("history[0].permission.expires", False)


@pytest.mark.parametrize(
    ("old", "new", "path", "found"),
    [
        ("database: mediation\n    schema", "database: mediatoin\n    schema", "history[0].database", "'mediatoin'"),
        ("keep_days: 1095", "keep_days: 3", "history[0].keep_days", "3"),
        ("keep_days: 1095", "keep_days: '1095; DROP TABLE x'", "history[0].keep_days", "'1095; DROP TABLE x'"),
        ("column: at", f"column: {'x' * 64}", "history[0].column", f"'{'x' * 64}'"),
        ("column: at", 'column: "a\\nb"', "history[0].column", "'a\\nb'"),
        ("schema_name: audit", "schema_name: ''", "history[0].schema_name", "''"),
        ("name: operations", "name: 'operations x'", "history[0].name", "'operations x'"),
        ("largest_share_percent: 40\n", "\n", "history[0].largest_share_percent", "nothing"),
        (
            "    permission: {reference: LAB-CONSENT-2026-04, expires: 2027-12-31}",
            "",
            "history[0].permission",
            "nothing",
        ),
    ],
)
def test_a_mistake_in_a_rule_is_named(inventory: InventoryCopy, old: str, new: str, path: str, found: str):
    inventory.edit(MEDIATION, old, new)
    problem = inventory.only_problem()
    assert (problem.path, problem.found) == (path, found)


def test_a_table_has_one_rule_and_a_rule_one_name(inventory: InventoryCopy):
    path = inventory.folder / MEDIATION
    text = path.read_text(encoding="utf-8")
    path.write_text(text + RULES.split("history:\n")[1], encoding="utf-8")
    assert {problem.found for problem in inventory.problems()} == {
        "the name 'operations' 2 times",
        '2 rules for table audit.操作"; DROP TABLE x; --',
    }


@pytest.mark.parametrize(
    ("rule", "table", "words"),
    [
        ({}, None, "the table does not exist"),
        ({}, {"type": None}, "it has no column at"),
        ({}, {"type": "text"}, "column at is of type text; allowed are date, timestamp, timestamptz"),
        ({}, {"granted": ["SELECT"]}, "the role lacks DELETE there"),
        ({}, {"kind": "v"}, "it is no table with rows of its own"),
        ({}, {"kind": "p"}, "it is partitioned: set partitions to true"),
        ({}, {"key": []}, "it has no primary key"),
        ({}, {"indexed": False}, "no index begins with column at"),
        ({}, {"references": [["fk", "child", "c"]]}, "foreign key: fk of child would delete rows there"),
        ({}, {"references": [["fk", "child", "a"]]}, "foreign key: fk of child would block it"),
        ({}, {"rules": ["keep"]}, "its DELETE is rewritten by a rule: keep"),
        ({"partitions": True}, {}, "only the table's owner may drop its partitions"),
        ({"partitions": True}, {"owned": True}, "it is not partitioned by ranges of column at alone"),
        ({"partitions": True}, {**PARTITIONED, "ranged": False}, "it is not partitioned by ranges of column at alone"),
        ({"partitions": True}, {**PARTITIONED, "references": [["fk", "child", "r"]]}, "fk of child would block it"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(rule: dict[str, Any], table: dict[str, Any] | None, words: str):
    given = None if table is None else {**TABLE, **table}
    assert words in str(history_plan.refusal({**RULE, **rule}, given, 0))


def test_a_table_that_fits_is_not_refused():
    assert history_plan.refusal(RULE, TABLE, 3600) is None
    assert history_plan.refusal({**RULE, "partitions": True}, PARTITIONED, -3600) is None


@pytest.mark.parametrize("skew", [3601, -3601])
def test_a_clock_that_jumped_deletes_nothing(skew: int):
    assert f"the server's clock is {skew} seconds ahead" in str(history_plan.refusal(RULE, TABLE, skew))


@pytest.mark.parametrize(("rows", "total", "refused"), [(40, 100, False), (41, 100, True), (0, 0, False), (1, 0, True)])
def test_no_more_than_the_stated_share_goes(rows: int, total: int, *, refused: bool):
    assert bool(history_plan.too_many(RULE, rows, total)) == refused


def batch(*keys: int, **changes: Any) -> dict[str, Any]:
    packed = base64.b64encode(struct.pack(f">{len(keys)}q", *keys)).decode()
    return {"from": ["1'\\"], "to": ["2"], "keys": packed, "rows": len(keys), **changes}


def test_a_statement_names_rows_by_key_by_age_and_by_content():
    statement, rows = sql.deletion(RULE, TABLE, batch(7, -(2**63)))
    assert rows == 2
    assert f"= ANY (E'{{7,{-(2**63)}}}'::bigint[])" in statement
    assert "ROW(r.id) >= ROW(E'1''\\\\') AND ROW(r.id) <= ROW(E'2')" in statement
    assert 'FROM ONLY "a b".t AS r WHERE r."at" < E\'2025-01-01T00:00:00+08:00\'' in statement


@pytest.mark.parametrize(
    "line",
    [
        batch(),
        batch(1, keys="x"),
        batch(1, keys="AAAA"),
        batch(1, keys=None),
        batch(1, to=[]),
        batch(1, to=["1", "2"]),
        {**batch(1), "from": [1]},
        {"keys": ""},
    ],
)
def test_a_damaged_list_of_rows_deletes_nothing(line: dict[str, Any]):
    with pytest.raises(SqlError, match="exported rows"):
        sql.deletion(RULE, TABLE, line)


def test_a_rule_s_moment_is_one():
    with pytest.raises(SqlError, match="is no moment of policy"):
        sql.deletion({**RULE, "before": "now' OR 'a' = 'a"}, TABLE, batch(1))


def test_source_and_host_know_rows_by_the_same():
    text = source_runner.PROGRAM.read_text(encoding="utf-8")
    assert f'ROW_KEY = "{sql.ROW_KEY}"' in text
    settings = text.split("SESSION_SETTINGS = ", 1)[1].split('"""')[1]
    for name, value in sql.OUTPUT.items():
        assert f"('{name}', '{value}')" in settings.replace("ISO, YMD", "ISO,YMD")


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([b"1\ta\n2", b"\tb\n3\tc\n"], None),
        ([b"1\ta\n"], "the export holds 1 rows, its listing 3"),
        ([b"1\n2\n3\n4\n"], "the export holds 4 rows, its listing 3"),
        ([b"1\n2\n3\n4"], "the last row is cut short"),
        ([], "the export holds 0 rows, its listing 3"),
    ],
)
def test_an_export_with_other_rows_than_its_listing_is_none(pieces: list[bytes], words: str | None):
    lines = [b'{"t":"history"}\n', b'{"t":"rows","rows":2}\n', b'{"t":"part","rows":1}\n']
    repository = SimpleNamespace(open_dump=lambda *_: _Dump(pieces))
    payload = {"snapshot": "s", "path": "p", "bytes": len(b"".join(pieces)), "sha256": "x"}
    with pytest.raises(NotAcceptedError, match=words) if words else contextlib.nullcontext():
        found = readback.read_back(repository, payload, {"kind": "history", "engine": "postgresql"}, lambda: lines)
        assert found["how"] == "sha256, rows"


class _Dump:
    """What a repository gives back, piece by piece."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces, self._bytes = list(pieces), len(b"".join(pieces))

    def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def finish(self) -> tuple[int, str]:
        return self._bytes, "x"

    def abort(self) -> None:
        """Nothing runs."""
