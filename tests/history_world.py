"""Old rows at a real server, the real program of the source hosts, a real repository: from the plan to the deletion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from yunwei_database import history
from yunwei_host import historyarchive
from yunwei_host.clock import stamp
from yunwei_host.repository import make_repository

from tests.postgres import DATABASE, MAINTENANCE, OWNER, Server
from tests.pull_world import World
from tests.stages import Stages
from tests.unit import source_runner

BEFORE = "2025-01-01T00:00:00+08:00"
TABLE = """
CREATE TABLE "操作 ""Log's" ("Id" bigint PRIMARY KEY, "at's" timestamptz NOT NULL, "说明" text, amount float8,
 raw bytea);
CREATE INDEX ON "操作 ""Log's" ("at's");
INSERT INTO "操作 ""Log's" SELECT i, timestamptz '2020-01-01+08' + i * interval '1 day',
 E'tab\\t ''quote'' \\\\ 中文 ' || i, i / 3.0, decode(md5(i::text), 'hex') FROM generate_series(1, 3000) i;
"""
NAME = "操作 \"Log's"
QUOTED = '"操作 ""Log\'s"'
# Of the days before BEFORE; the day that begins with it stays.
OLD = 1826
SSH = """#!/bin/sh
for last; do :; done
SSH_ORIGINAL_COMMAND="$last" exec {python} -B {boot}
"""


def rule(server: Server, **changes: Any) -> dict[str, Any]:
    """Return a `HistoryRuleWork` for the table with the odd names."""
    login = {"database": DATABASE, "port": 5432, "socket": str(server.folder), "os_user": OWNER, "role": "postgres"}
    database = {"item": f"database:{DATABASE}", "name": DATABASE, "engine": "postgresql", "no_driver": None}
    given = {
        "name": "operations", "database": {**database, "login": login}, "schema": "public", "table": NAME,
        "column": "at's", "before": BEFORE, "largest_share_percent": 90, "batch_rows": 500, "pause_milliseconds": 0,
        "rows_per_run": 100_000, "partitions": False, "permission": {"reference": "LAB-1", "expires": "2027-12-31"},
    }  # fmt: skip
    return {**given, **changes}


class HistoryWorld(World):
    """The backup server of one system, and a database whose old rows go."""

    def __init__(self, base: Path, patch: Any, server: Server) -> None:
        super().__init__(base, patch)
        self.server = server
        self.config = base / "source-history.json"
        boot = base / "boot.py"
        boot.write_text(
            source_runner.BOOT.format(
                folder=str(source_runner.PROGRAM.parent), config=str(self.config), system="mediation"
            )
        )
        (base / "bin" / "ssh").write_text(SSH.format(python=sys.executable, boot=boot))
        self.limits = dict(MAINTENANCE)
        self.rule()

    def rule(self, **changes: Any) -> None:
        """Let policy have this one rule, on the host and at its source program."""
        one = rule(self.server, **changes)
        source = {**self._item("history", one["name"], "postgresql"), "source_host": "db1"}
        names = ("schema", "table", "column", "batch_rows", "partitions")
        config = {one["name"]: {**{key: one[key] for key in names}, "database": DATABASE}}
        login = {"engine": "postgresql", "port": 5432, "socket": str(self.server.folder), "os_user": OWNER,
                 "user": "postgres", "lock_timeout_seconds": 10}  # fmt: skip
        source_runner.write_config(self.config, databases={DATABASE: login}, history=config)
        self.work.update(rules={"db1": [{**one, "source": source}]}, today="2026-11-22", closed=None)
        self.work.update(limits=self.limits, until=stamp(self.now() + 3600))

    def now(self) -> int:
        """Return the server's clock."""
        return int(self.server.run("SELECT extract(epoch FROM now())::bigint"))

    def closes_in(self, seconds: int) -> None:
        """Let the window close so soon."""
        self.work["until"] = stamp(self.now() + seconds)

    def plan(self, check: bool = False, now: int | None = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Plan as the module does; return (the rule's row, what is to be exported)."""
        time = stamp(self.now() if now is None else now)
        summary, planned = history.plan(self.work, "db1", time, check)
        json.dumps([summary, planned])
        row = summary["items"][0]
        return row, planned

    def archive(self, planned: list[dict[str, Any]]) -> dict[str, Any]:
        """Export as the module does; return the packed list."""
        permit = {**self.permit(), "job": "purge-history"}
        summary, changed = historyarchive.archive(self.work, "db1", permit, self.secrets, planned)
        json.dumps(summary)
        assert changed
        archived: dict[str, Any] = summary["handed_on"]["archived"]
        return archived

    def purge(self, archived: dict[str, Any], now: int | None = None) -> dict[str, Any]:
        """Delete as the module does; return the only row."""
        time = stamp(self.now() if now is None else now)
        permit = {**self.permit(), "job": "purge-history"}
        summary, _ = history.purge(self.work, "db1", time, permit, archived)
        json.dumps(summary)
        (row,) = summary["items"]
        return dict(row)

    def whole(self) -> dict[str, Any]:
        """Plan, export and delete, as one run does; return the last row."""
        return self.purge(self.archive(self.plan()[1]))

    def rows(self, where: str = "true") -> int:
        """Return how many rows of the table there are."""
        return int(self.server.run(f"SELECT count(*) FROM {QUOTED} WHERE {where}"))  # noqa: S608  (a test's own words)

    def content(self, wanted: str = "{0}") -> str:
        """Return the whole table as text."""
        return self.server.run(wanted.format(f'SELECT * FROM {QUOTED} ORDER BY "Id"'))  # noqa: S608


def history_stages(base: Path, server: Server) -> Stages[HistoryWorld]:
    """Return a world with an empty repository, to be taken back to."""
    with pytest.MonkeyPatch.context() as patch:
        made = HistoryWorld(base, patch, server)
        kept = Stages(made)
        make_repository(made.repository)
        kept.keep("empty repository")
    return kept
