"""The controller is killed in the middle of each job; the same command again ends well."""

from __future__ import annotations

import pytest

from tests.lab.conftest import Lab
from tests.lab.killing import kill_when, once_free, runs
from yunwei import ledger

pytestmark = pytest.mark.lab

BACK_UP = ("run", "back-up", "--now", "--system", "mediation")
SYNC = ("run", "sync-to-miyun", "--system", "mediation")
DRILL = ("drill", "--system", "mediation", "--site", "local")


def _again(lab: Lab, words: tuple[str, ...]) -> None:
    """Run the same command until the host no longer works for the dead run; then it must end well."""
    done = once_free(lab, words)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    last_dead = [row for row in ledger.Ledger.open().list() if row["status"] == "interrupted"][-1]
    assert last_dead["exit_code"] == 1


def test_killed_during_a_backup(lab):
    kill_when(lab, BACK_UP, runs(lab, "backup1", "restic .*backup"))
    _again(lab, BACK_UP)
    verified = lab.plain("verify-backups", ["mediation"], part="1/50")
    assert [one["yunwei"]["verdict"] for one in verified["results"] if "read" in one["yunwei"]] == ["passed"]


def test_killed_during_a_sync(lab):
    kill_when(lab, SYNC, runs(lab, "backup1", "restic .*copy"))
    _again(lab, SYNC)
    items = lab.json("backups", "list", "--system", "mediation")["items"]
    assert items
    assert all(item["miyun"] for item in items)


def test_killed_during_a_drill(lab):
    kill_when(lab, DRILL, runs(lab, "scratch1", "pg_restore"))
    _again(lab, DRILL)
    assert lab.podman("scratch1", "ls", "/srv/restore").stdout == ""
