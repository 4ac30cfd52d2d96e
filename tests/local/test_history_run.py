"""A whole purge of history through wrapper, gate, playbook, role, proofs and record; the hosts are all this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.estates import BIN, Estate
from tests.history_world import SSH
from tests.inventories import ESTATE, MEDIATION
from tests.mounts import mount_disk, own_mounts
from tests.postgres import OWNER, Server, running
from tests.unit import source_runner
from yunwei.work import source_work

TABLE = """
CREATE TABLE sign_in (id bigserial PRIMARY KEY, at timestamptz NOT NULL);
CREATE INDEX ON sign_in (at);
INSERT INTO sign_in (at) SELECT now() - i * interval '1 day' FROM generate_series(1, 100) i;
CREATE TABLE letter (id int PRIMARY KEY, at date NOT NULL);
"""
RULES = """
history:
  - name: sign-in
    database: mediation
    table: sign_in
    column: at
    keep_days: 60
    largest_share_percent: 50
    permission: {reference: LAB-CONSENT-2026-04, expires: 2027-12-31}
  - name: letters
    database: mediation
    table: letter
    column: at
    keep_days: 60
    largest_share_percent: 50
    permission: {reference: LAB-CONSENT-2026-04, expires: 2027-12-31}
"""
# The proofs act as the database's account by sudo, which this machine need not have.
SUDO = """#!/bin/sh
while [ "$1" != -- ] && [ "$1" != /bin/sh ]; do [ "$1" = -u ] && user=$2; shift; done
[ "$1" = -- ] && shift
exec runuser -u "$user" -- "$@"
"""


class Ground:
    """An estate with a database of its own, and the commands a person would type."""

    def __init__(self, estate: Estate, server: Server, folder: Path) -> None:
        self.estate, self.server, self.folder = estate, server, folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        login = f"    login: {{socket: {server.folder}}}\n"
        estate.inventory.edit(MEDIATION, "    port: 5432\n", f"    port: 5432\n{login}")
        estate.inventory.edit(ESTATE, "path: /srv/backup\n", f"path: {folder}/backup\n")
        path = estate.inventory.folder / MEDIATION
        path.write_text(path.read_text(encoding="utf-8") + RULES, encoding="utf-8")
        self._put_key()
        self._put_programs()

    def _put_key(self) -> None:
        key = self.folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        words = {"private_key": key.read_text(), "public_key": key.with_suffix(".pub").read_text()}
        self.estate.bao.put("systems/mediation/source-db1", **words)

    def _put_programs(self) -> None:
        """Let ssh reach the real source program with what policy lets this host hand out."""
        config = self.folder / "source.json"
        known = source_work(self.estate.inventory.load(), "db1")["systems"]["mediation"]
        database = {**known["databases"]["mediation"], "socket": str(self.server.folder)}
        source_runner.write_config(config, databases={"mediation": database}, history=known["history"])
        boot = self.folder / "boot.py"
        program = {"folder": str(source_runner.PROGRAM.parent), "config": str(config), "system": "mediation"}
        boot.write_text(source_runner.BOOT.format(**program))
        for name, text in (("ssh", SSH.format(python=sys.executable, boot=boot)), ("sudo", SUDO)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    def yunwei(self, *words: str, expect: int = 0) -> dict[str, Any]:
        """Run a command with --json and return its document."""
        command = [str(BIN / "yunwei"), *words, "--json", "-i", str(self.estate.inventory.folder)]
        environment = self.estate.environment(PATH=f"{self.bin}:{os.environ['PATH']}")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return dict(json.loads(done.stdout))

    def rows(self) -> int:
        return int(self.server.run("SELECT count(*) FROM sign_in", "mediation"))


@pytest.fixture
def ground(estate: Estate, tmp_path: Path) -> Iterator[Ground]:
    with own_mounts():
        for place in ("/run", "/var/lib"):  # where this machine keeps its own locks, and what it remembers of them
            mount_disk(Path(place), 64)
        with running() as server:
            server.run("CREATE DATABASE mediation", "postgres", OWNER)
            server.run(TABLE, "mediation")
            yield Ground(estate, server, tmp_path)


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {row["item"]: row["status"] for row in document["items"]}


def test_a_purge_is_planned_done_proven_and_recorded_and_not_done_again(ground: Ground):
    sign_in, letters = "history:sign-in mediation public.sign_in", "history:letters mediation public.letter"
    ground.server.run("CREATE INDEX ON letter (at)", "mediation")
    planned = ground.yunwei("plan", "purge-history", "--system", "mediation")
    assert statuses(planned) == {sign_in: "would export and delete", letters: "nothing is old"}
    assert ground.rows() == 100
    done = ground.yunwei("db", "purge", "--system", "mediation")
    assert statuses(done) == {sign_in: "deleted", letters: "nothing is old", "history:sign-in": "accepted"}
    assert (done["verification"]["verdict"], ground.rows()) == ("passed", 60)
    recorded = ground.estate.ledger.show(done["run_id"])
    rows = [row for task in recorded["tasks"] for row in (task.get("yunwei") or {}).get("items", [])]
    assert [(row["before"], row["after"]) for row in rows if "after" in row] == [({"rows": 100}, {"rows": 60})]
    again = ground.yunwei("db", "purge", "--system", "mediation")
    assert set(statuses(again).values()) == {"nothing is old"}


def test_a_rule_that_is_refused_stops_the_run_and_another_can_be_named(ground: Ground):
    refused = ground.yunwei("db", "purge", "--system", "mediation", expect=3)
    assert "REFUSED: history:letters mediation public.letter: no index begins with column at" in refused["reason"]
    assert ground.rows() == 100
    done = ground.yunwei("db", "purge", "--system", "mediation", "--rule", "sign-in")
    assert ground.rows() == 60
    assert done["exit_code"] == 0
    unknown = ground.yunwei("db", "purge", "--system", "mediation", "--rule", "nothing", expect=2)
    assert "mediation has no history rule 'nothing'; rules: sign-in, letters" in unknown["reason"]
