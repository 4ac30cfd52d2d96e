"""The forced command obeys three words and a configuration that only root can write."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import source_runner


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return source_runner.write_config(
        tmp_path / "source.json",
        databases={"old": {"engine": "dameng", "port": 5236, "os_user": "dmdba"}},
        file_sets={"app": {"paths": [str(tmp_path / "files")], "exclude": []}},
    )


@pytest.mark.parametrize(
    "command",
    ["", "bash", "list x", "dump", "files", "dump old; id", "dump old\nid", "dump -x", "files ../etc", "dump $(id)",
     "list\x1b[2J", "dump old extra", "/bin/sh -c id", "manifest old", "dump '' old"],
)  # fmt: skip
def test_refuses_every_other_command(config, command):
    heard = source_runner.run(config, command)
    assert heard.code == 2
    assert heard.failure
    assert heard.failure.where == "command"
    assert "list, dump DATABASE, files SET" in heard.failure.reason
    assert (heard.head, heard.trailer, heard.lines) == ({}, {}, [])


@pytest.mark.parametrize(
    ("command", "reason"),
    [("dump nope", "allowed: old"), ("files nope", "allowed: app"), ("dump app", "allowed: old")],
)
def test_names_what_policy_allows(config, command, reason):
    heard = source_runner.run(config, command)
    assert heard.code == 2
    assert heard.failure
    assert reason in heard.failure.reason


def test_an_engine_that_is_not_built_is_refused_by_name(config):
    heard = source_runner.run(config, "dump old")
    assert heard.code == 2
    assert heard.failure
    assert heard.failure.where == "engine dameng"


def test_another_system_is_not_answered(config):
    heard = source_runner.run(config, "list", system="legalservice")
    assert heard.code == 2
    assert heard.failure
    assert heard.failure.where == "system legalservice"


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_configuration_that_others_can_write_is_refused(config, mode):
    config.chmod(mode)
    heard = source_runner.run(config, "list")
    assert heard.code == 2
    assert heard.failure
    assert "can be written by others" in heard.failure.reason


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"systems": []}', "{"])
def test_a_broken_configuration_is_refused(config, text):
    config.write_text(text)
    heard = source_runner.run(config, "list")
    assert heard.code == 2
    assert heard.failure


def test_the_head_names_the_program_by_its_digest(config):
    heard = source_runner.run(config, "files app")
    assert heard.head["source_sha256"] == hashlib.sha256(source_runner.PROGRAM.read_bytes()).hexdigest()
    assert heard.head["verb"] == "files"
    assert heard.head["name"] == "app"


def test_list_tells_what_is_there_and_what_does_not_answer(config, tmp_path):
    (tmp_path / "files" / "a").write_bytes(b"12345")
    heard = source_runner.run(config, "list")
    database, files = heard.lines
    assert (database["name"], database["engine"], database["reachable"]) == ("old", "dameng", False)
    assert (files["name"], files["reachable"], files["entries"]) == ("app", True, 2)
    assert files["bytes_estimate"] >= 5
    assert heard.trailer["bytes"] == 0


@pytest.mark.parametrize("arguments", [[], ["--system"], ["--config", "/tmp/x"], ["--system", "a", "manifest"], ["-c"]])
def test_no_argument_moves_the_configuration_or_adds_a_mode(arguments):
    done = subprocess.run([sys.executable, source_runner.PROGRAM, *arguments], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"allowed: --system NAME" in done.stdout


def test_a_gone_peer_ends_the_program(config, tmp_path):
    with open(tmp_path / "files" / "large", "wb") as large:
        large.truncate(1 << 30)
    process = source_runner.start(config, "files app")
    assert process.stdout
    os.read(process.stdout.fileno(), 100)
    process.stdout.close()
    assert process.wait(20) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_without_a_trailer(config, tmp_path, number):
    with open(tmp_path / "files" / "large", "wb") as large:
        large.truncate(1 << 30)
    process = source_runner.start(config, "files app")
    assert process.stdout
    os.read(process.stdout.fileno(), 100)
    time.sleep(0.3)
    process.send_signal(number)
    rest = process.stdout.read()
    assert process.wait(20) == 1
    assert json.dumps({"exit": 0})[1:-1].encode() not in rest[-1000:].replace(b'":', b'": ')
    process.stdout.close()


def test_a_path_that_is_not_there_is_a_failure_not_an_empty_backup(config, tmp_path):
    (tmp_path / "files").rmdir()
    heard = source_runner.run(config, "files app")
    assert heard.code == 1
    assert heard.failure
    assert heard.failure.where == f"path {tmp_path}/files"
    assert heard.failure.reason == "No such file or directory"
    assert heard.trailer == {}
