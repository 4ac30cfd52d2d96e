"""The source program hands out as logs what was planned and policy names, and nothing else on the host."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zlib
from pathlib import Path

import pytest
import source_runner
from yunwei_host import loglist, names

ODD = b"a\n\xff.log.1"


class Logs:
    """A place on disk with the configuration that names it, and a file outside of it."""

    def __init__(self, base: Path):
        self.place, self.outside = base / "logs", base / "outside.log.1"
        (self.place / "below").mkdir(parents=True)
        self.outside.write_text("secret")
        self.config = base / "source.json"
        self.name(below=True)

    def name(self, **changes: object) -> None:
        place = {"path": str(self.place), "below": False, "patterns": ["*.log.*"], "exclude": ["b.*"], **changes}
        source_runner.write_config(self.config, logs={"app1": [place]})

    def write(self, name: bytes) -> bytes:
        path = os.fsencode(self.place) + b"/" + name
        with open(path, "wb") as stream:
            stream.write(b"line")
        os.utime(path, (1, 1))
        return path

    def ask(self, *paths: bytes | Path, host: str = "app1") -> source_runner.Heard:
        """Ask for files as they are now."""
        lines = [
            {"p": names.encode_name(os.fsencode(path)), "stat": loglist.key_of(os.lstat(path)), "sha256": None}
            for path in paths
        ]
        return self.ask_for(lines, host)

    def ask_for(self, lines: list[dict[str, object]], host: str = "app1") -> source_runner.Heard:
        told = zlib.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
        return source_runner.run(self.config, f"logs {host}", baseline=told)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def test_planned_files_come_with_everything_about_them(logs: Logs):
    paths = [logs.write(ODD), logs.write(b"below/c.log.2")]
    heard = logs.ask(*paths)
    assert heard.failure is None
    assert heard.trailer["exit"] == 0
    with tarfile.open(fileobj=io.BytesIO(heard.payload), encoding="latin-1") as archive:
        members = {member.name.encode("latin-1"): archive.extractfile(member).read() for member in archive}
    assert members == {path.lstrip(b"/"): b"line" for path in paths}
    line = heard.files()[names.encode_name(paths[0])]
    assert (line["size"], line["mode"], line["uid"], line["user"], line["sent"]) == (4, 0o644, 0, "root", True)


def _linked(logs: Logs) -> bytes:
    (logs.place / "way").symlink_to(logs.place / "below")
    return logs.write(b"below/c.log.1").replace(b"/below/", b"/way/")


def _hard_linked(logs: Logs) -> Path:
    os.link(logs.outside, logs.place / "h.log.1")
    return logs.place / "h.log.1"


def _symbolic(logs: Logs) -> Path:
    (logs.place / "s.log.1").symlink_to(logs.outside)
    return logs.place / "s.log.1"


@pytest.mark.parametrize(
    "asked",
    [
        lambda logs: logs.outside,
        lambda logs: Path("/etc/shadow"),
        lambda logs: logs.write(b"c.log"),
        lambda logs: logs.write(b"b.log.1"),
        _linked,
        _hard_linked,
        _symbolic,
    ],
    ids=["outside", "shadow", "no such pattern", "excluded", "through a link", "hard link", "link"],
)
def test_nothing_else_is_handed_out(logs: Logs, asked):
    good = logs.write(b"good.log.1")
    heard = logs.ask(good, asked(logs))
    assert list(heard.files()) == [names.encode_name(good)]
    assert b"secret" not in heard.payload
    assert len([line for line in heard.lines if line["t"] == "note"]) == 1


def test_a_folder_below_is_no_part_of_a_flat_place(logs: Logs):
    logs.name(below=False)
    good = logs.write(b"good.log.1")
    assert list(logs.ask(good, logs.write(b"below/c.log.1")).files()) == [names.encode_name(good)]


def test_a_file_that_is_not_as_planned_is_left_out(logs: Logs):
    good, other = logs.write(b"good.log.1"), logs.write(b"other.log.1")
    lines = [{"p": os.fsdecode(path), "stat": loglist.key_of(os.lstat(path)), "sha256": None} for path in (good, other)]
    with open(other, "ab") as stream:
        stream.write(b"more")
    assert list(logs.ask_for(lines).files()) == [os.fsdecode(good)]
    with open(good, "ab") as stream:
        stream.write(b"more")
    heard = logs.ask_for(lines)
    assert heard.failure
    assert heard.failure.reason == "none is there as it was planned"


@pytest.mark.parametrize("path", ["/etc/../etc/shadow", "relative.log.1", "/a%00.log.1", "//etc/shadow"])
def test_a_path_that_could_lead_elsewhere_ends_the_answer(logs: Logs, path: str):
    heard = logs.ask_for([{"p": path, "stat": "1", "sha256": None}])
    assert heard.failure
    assert "no plain absolute path" in heard.failure.reason


def test_another_host_s_name_is_refused(logs: Logs):
    heard = logs.ask(logs.write(b"good.log.1"), host="app2")
    assert heard.failure
    assert heard.code == 2
    assert "allowed: app1" in heard.failure.reason
