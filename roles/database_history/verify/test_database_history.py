"""No row and no partition is left that a history rule sends away, and no session of a purge."""

import os
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.work.databases import database_work

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
AS_OF = datetime.fromisoformat(os.environ.get("YUNWEI_AS_OF") or datetime.now(UTC).isoformat())
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'yunwei-purge%'"
ROWS = "SELECT count(*) FROM ONLY {table} WHERE {column} < '{before}'"
PARTITIONS = r"""
SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r'
 AND i.inhparent = '{table}'::regclass
 AND substring(pg_get_expr(c.relpartbound, c.oid) FROM $$TO \('([^']*)'\)$$)::timestamptz <= '{before}'
"""


@pytest.fixture
def rules(host):
    """The history rules of these systems for PostgreSQL on this host, each with its database."""
    here = host.backend.get_hostname()
    systems = [POLICY.systems[name] for name in SYSTEMS]
    databases = {(system.id, one.name): one for system in systems for one in system.databases}
    found = [(rule, databases[system.id, rule.database]) for system in systems for rule in system.history]
    return [(rule, one) for rule, one in found if one.host == here and one.engine == "postgresql"]


def _ask(host, database, sql):
    """Return what the server answers to a question."""
    login = database_work(database)["login"]
    words = ["psql", "-XqAtw", "-v", "ON_ERROR_STOP=1", "-d", login["database"], "-p", str(login["port"]), "-c", sql]
    for option, value in (("-h", login["socket"]), ("-U", login["role"])):
        words += [option, value] if value else []
    with host.sudo(login["os_user"]):
        return host.check_output(" ".join(["%s"] * len(words)), *words)


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _left(rule):
    """Return the question for what is left. A day more than the rule: what became due since is the next run's."""
    day = AS_OF.astimezone(POLICY.estate.zone).date() - timedelta(days=rule.keep_days + 1)
    before = datetime.combine(day, time(), POLICY.estate.zone).isoformat()
    table = f"{_quoted(rule.schema_name)}.{_quoted(rule.table)}"
    if rule.partitions:
        return PARTITIONS.format(table=table.replace("'", "''"), before=before)
    return ROWS.format(table=table, column=_quoted(rule.column), before=before)


def test_nothing_is_left_that_is_older_than_a_rule_keeps(host, rules):
    assert {rule.name: _ask(host, database, _left(rule)) for rule, database in rules} == {
        rule.name: "0" for rule, _ in rules
    }


def test_no_session_of_a_purge_is_left(host, rules):
    assert [_ask(host, database, SESSIONS) for _, database in rules] == ["0" for _ in rules]
