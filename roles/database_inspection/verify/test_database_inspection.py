"""An inspection left nothing behind: its databases answer, and no session of it is open."""

import os
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.work.databases import databases_by_host

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'yunwei-inspection'"


@pytest.fixture
def databases(host):
    """The PostgreSQL databases of these systems on this host."""
    here = host.backend.get_hostname()
    found = [one for name in SYSTEMS for one in databases_by_host(POLICY.systems[name]).get(here, [])]
    return [one for one in found if one["engine"] == "postgresql"]


def test_every_database_answers_and_no_session_is_left(host, databases):
    for one in databases:
        login = one["login"]
        words = ["psql", "-XqAtw", "-d", login["database"], "-p", str(login["port"]), "-c", SESSIONS]
        for option, value in (("-h", login["socket"]), ("-U", login["role"])):
            words += [option, value] if value else []
        with host.sudo(login["os_user"]):
            assert host.check_output(" ".join(["%s"] * len(words)), *words) == "0", one["item"]
