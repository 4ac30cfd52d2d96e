"""What is read of a host beside its database: room on file systems, and faults of the host's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from yunwei_database import postgresql_facts
from yunwei_database.faults import PostponedError, SqlError, as_text


class Server:
    """A session of a server that only says where its files are."""

    def __init__(self, data: Path, tablespaces: dict[int, str], version: int = 150000) -> None:
        keys = postgresql_facts.sql.SERVER_KEYS
        known = {"version_number": version, "data_directory": str(data), "tablespace": 1}
        self.server, self.tablespaces = [known.get(key) for key in keys], tablespaces

    def rows(self, text: str) -> list[list[Any]]:
        if text == postgresql_facts.sql.TABLESPACES:
            return [[number, place] for number, place in self.tablespaces.items()]
        return [self.server]


def places(server: Server) -> tuple[dict[str, list[Any]], list[dict[str, str]]]:
    facts = postgresql_facts.Reader(server, {}).read_places()
    return {one["place"]: one["tablespaces"] for one in facts["places"]}, facts["unknown"]


def test_a_file_system_that_cannot_be_asked_is_named_and_the_others_are_told(tmp_path: Path):
    (tmp_path / "pg_wal").mkdir()
    found, unknown = places(Server(tmp_path, {1: "", 2: f"{tmp_path}/gone"}))
    assert list(found) == [str(tmp_path)]
    assert [(one["part"], f"{tmp_path}/gone" in one["reason"]) for one in unknown] == [("places", True)]


@pytest.mark.parametrize(("version", "name"), [(150000, "pg_wal"), (90600, "pg_xlog")])
def test_the_log_is_a_place_of_its_own_where_it_lies_on_another_file_system(tmp_path: Path, version: int, name: str):
    (tmp_path / name).mkdir()
    assert places(Server(tmp_path, {1: ""}, version)) == ({str(tmp_path): [1, 0, "wal"]}, [])
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to("/proc")
    assert places(Server(tmp_path, {1: ""}, version)) == ({str(tmp_path): [1, 0], f"{tmp_path}/{name}": ["wal"]}, [])


@pytest.mark.parametrize(
    "fault",
    [
        SqlError("XX000", "错"),
        SqlError("XX000", "错".encode()),
        PostponedError("错".encode()),
        OSError("错"),
        "错".encode(),
    ],
)
def test_what_a_fault_says_is_text_whatever_it_was_made_of(fault: Any):
    assert as_text(fault) == "错"
