"""The hands of the upkeep with a server that only pretends: how long each statement of a step may take."""

from __future__ import annotations

import re
from typing import Any

import pytest
from yunwei_database.faults import PostponedError
from yunwei_database.postgresql_upkeep import Hands
from yunwei_database.upkeep import Clock

from tests.postgres import MAINTENANCE

STEP = {"do": "rebuild", "target": "i", "table": "t", "table_kind": "r", "number": 2, "definition": "d", "why": "w",
        "measure": True, "space": 150, "tablespace": 0, "analyze": False,
        "before": {"vacuumed": None, "wanted": 100}}  # fmt: skip


class Server(Clock):
    """Sessions, reader and clock in one: a statement that holds a word of `lasting` takes so many seconds."""

    process_id = 1

    def __init__(self, **lasting: float) -> None:
        self.time, self.lasting, self.allowed = 0.0, lasting, dict[str, int]()
        self.facts: dict[str, Any] = {"server": {"version_number": 150000, "block_bytes": 8192}}
        self.places = [{"place": "/d", "free": 1000, "tablespaces": [0, "wal"]}]
        self.measured: list[list[Any]] = [[10**8, 9.0, 1, 0, 12_000, 10]]
        self._timeout = 0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def read_places(self) -> dict[str, Any]:
        return {"places": self.places}

    def extension(self, name: str) -> str:
        return name

    def rows(self, text: str, *_: Any) -> list[list[Any]]:
        found = re.search("statement_timeout = '([0-9]+)s'", text)
        self._timeout = int(found.group(1)) if found else self._timeout
        for word, seconds in self.lasting.items():
            if word in text:
                self.allowed[word] = self._timeout
                self.time += seconds
        if "pgstatindex" in text:
            return self.measured
        return [[2, True, 10, 100]] if "indisvalid" in text else []


def carry_out(server: Server, **step: Any) -> dict[str, Any]:
    hands = Hands((server, server), server, {**MAINTENANCE, "bloat_bytes": 1}, server, lambda *_: "forgotten")
    return dict(hands.carry_out({**STEP, **step}, 300))


def test_each_statement_of_a_rebuild_gets_what_those_before_it_have_left():
    server = Server(pgstatindex=100, REINDEX=150, bt_index_check=1)
    done = carry_out(server)
    assert (done["amcheck"], done["reason"]) == ("passed", "w; forgotten")
    assert server.allowed == {"pgstatindex": 300, "REINDEX": 200, "bt_index_check": 50}


def test_without_time_for_amcheck_the_proof_could_not_be_made():
    server = Server(REINDEX=300, bt_index_check=1)
    assert carry_out(server)["amcheck"] == "could not judge: what came before it took all its time"
    assert "bt_index_check" not in server.allowed


def test_an_index_that_cannot_be_measured_is_rebuilt_and_one_that_is_sound_is_not():
    server = Server(REINDEX=1)
    server.measured = []
    assert carry_out(server)["amcheck"] == "passed"
    server.measured = [[10**8, 90.0, 12_000, 0, 0, 10]]
    assert carry_out(server) == {"status": "left", "reason": "w; it stays: 0 % are measured; forgotten"}


def test_a_vacuum_gets_what_the_tries_for_its_lock_have_left():
    server = Server(NOWAIT=20, VACUUM=1)
    carry_out(server, do="vacuum")
    assert server.allowed["VACUUM"] == 280


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ({"/d": (250, [0, "wal"])}, None),
        ({"/d": (249, [0, "wal"])}, "it needs 250 bytes of room on /d, where 249 are free"),
        ({"/d": (150, [0]), "/wal": (150, ["wal"])}, None),
        ({"/d": (149, [0]), "/wal": (150, ["wal"])}, "it needs 150 bytes of room on /d, where 149 are free"),
        ({"/d": (150, [0]), "/wal": (149, ["wal"])}, "it needs 150 bytes of room on /wal, where 149 are free"),
        ({"/other": (999, [7, "wal"])}, "could not be judged"),
        ({"/d": (999, [0])}, "could not be judged"),
    ],
)
def test_a_rebuild_needs_room_for_the_index_and_for_the_log_of_it(places: Any, reason: str | None):
    server = Server()
    server.places = [{"place": name, "free": free, "tablespaces": used} for name, (free, used) in places.items()]
    if reason is None:
        assert carry_out(server)["after"]
        return
    with pytest.raises(PostponedError, match=reason):
        carry_out(server)
