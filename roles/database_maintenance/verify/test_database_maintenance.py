"""Upkeep left nothing half done behind: no leftover of a build, no session, no table near a forced freeze."""

import json
import os
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.work.databases import databases_by_host

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
# An invalid index beside a valid one of the same table, columns and condition, which no build is at work on.
LEFTOVERS = """
SELECT i.indexrelid::regclass FROM pg_index i WHERE NOT i.indisvalid
 AND EXISTS (SELECT 1 FROM pg_index v WHERE v.indrelid = i.indrelid AND v.indisvalid AND v.indkey = i.indkey
  AND v.indclass = i.indclass AND v.indisunique = i.indisunique
  AND pg_get_expr(v.indexprs, v.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indexprs, i.indrelid)
  AND pg_get_expr(v.indpred, v.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indpred, i.indrelid))
 AND NOT EXISTS (SELECT 1 FROM pg_locks l WHERE l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock')
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'yunwei-maintenance%'"
# The server freezes by force at the whole age; nobody may be past it.
AGES = """
SELECT count(*) FROM pg_class WHERE relkind IN ('r', 't', 'm')
 AND age(relfrozenxid) > current_setting('autovacuum_freeze_max_age')::bigint
"""


@pytest.fixture
def databases(host):
    """The PostgreSQL databases of these systems on this host."""
    here = host.backend.get_hostname()
    found = [one for name in SYSTEMS for one in databases_by_host(POLICY.systems[name]).get(here, [])]
    return [one for one in found if one["engine"] == "postgresql"]


def _ask(host, database, sql):
    """Return what the server answers to a question."""
    login = database["login"]
    words = ["psql", "-XqAtw", "-v", "ON_ERROR_STOP=1", "-d", login["database"], "-p", str(login["port"]), "-c", sql]
    for option, value in (("-h", login["socket"]), ("-U", login["role"])):
        words += [option, value] if value else []
    with host.sudo(login["os_user"]):
        return host.check_output(" ".join(["%s"] * len(words)), *words)


def test_every_database_answers(host, databases):
    assert {json.dumps(one["login"]): _ask(host, one, "SELECT 1") for one in databases} == {
        json.dumps(one["login"]): "1" for one in databases
    }


def test_no_leftover_of_a_build_is_there(host, databases):
    assert [_ask(host, one, LEFTOVERS) for one in databases] == ["" for _ in databases]


def test_no_session_of_upkeep_is_left(host, databases):
    assert [_ask(host, one, SESSIONS) for one in databases] == ["0" for _ in databases]


def test_no_table_is_past_the_age_of_a_forced_freeze(host, databases):
    assert [_ask(host, one, AGES) for one in databases] == ["0" for _ in databases]
