"""Programs that hardening asks and starts: ended after a time, in one locale, waited for no longer than they run."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from pathlib import Path

import pytest
from yunwei_harden import host, revert
from yunwei_host.faults import FaultError


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revert, "LONGEST_COMMAND", 0.5)


def take_back(folder: Path, *commands: list[str]) -> list[str]:
    recipe = {"files": [], "modes": [], "kernel": [], "commands": commands}
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    faults: list[str] = revert.take_back(str(folder))
    return faults


@pytest.mark.usefixtures("hasty")
def test_a_program_that_does_not_end_is_stopped_and_named():
    with pytest.raises(FaultError, match=r"^sh -c .* ended with -15: begun\n \(it was stopped after 0\.5 s\)"):
        host.demand(["sh", "-c", "echo begun; exec sleep 600"])


def test_programs_speak_one_locale_and_their_errors_are_not_their_output(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert host.run(["sh", "-c", "echo $LC_ALL; echo warning >&2"]) == (0, "C\n")
    assert host.run(["sh", "-c", "echo $LC_ALL; echo why >&2; exit 3"]) == (3, "C\nwhy\n")
    assert host.run(["/nowhere/program"]) == (127, "/nowhere/program is not there")


@pytest.mark.usefixtures("hasty")
def test_taking_back_goes_on_after_a_command_that_hangs(tmp_path: Path):
    faults = take_back(tmp_path, ["sh", "-c", "echo $LC_ALL; exec sleep 600"], ["touch", str(tmp_path / "last")])
    assert faults == ["sh -c echo $LC_ALL; exec sleep 600 was stopped after 0.5 s: C"]
    assert (tmp_path / "last").exists()


@pytest.mark.usefixtures("hasty")
def test_one_that_hangs_while_it_takes_back_keeps_nobody_else_from_it(tmp_path: Path):
    hanging = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(hanging, fcntl.LOCK_EX)
        assert take_back(tmp_path, ["touch", str(tmp_path / "done")]) == []
    finally:
        os.close(hanging)
    assert (tmp_path / "done").exists()


def test_taking_back_waits_for_no_service_that_a_command_started(tmp_path: Path):
    """A service of an init script keeps the output of the script open."""
    script = f"sleep 60 & echo $! > {tmp_path}/pid; echo refused; exit 5"
    assert take_back(tmp_path, ["sh", "-c", script]) == [f"sh -c {script} ended with 5: refused"]
    os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), signal.SIGKILL)
