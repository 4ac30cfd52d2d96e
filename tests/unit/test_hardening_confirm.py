"""A change is kept by a login of its own; where there is none the host's own return is waited for and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harden_world import World
from yunwei.errors import CouldNotJudgeError
from yunwei.hardening import confirm
from yunwei.hardening.confirm import Armed, TakenBackError
from yunwei.remote import RemoteError


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "host")


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a stand-in for ssh: it runs the words here, and notes what it was started with; the way can be cut."""
    (tmp_path / "bin").mkdir()
    _program(tmp_path / "bin" / "sudo", 'while [ "${1#-}" != "$1" ]; do [ "$1" = -p ] && shift; shift; done; exec "$@"')
    note, cut = tmp_path / "note", tmp_path / "cut"
    way = f'echo "$@" >> {note}; [ -e {cut} ] && {{ echo no route >&2; exit 255; }}; '
    _program(tmp_path / "bin" / "ssh", way + f'for last; do :; done; PATH={tmp_path}/bin:$PATH exec sh -c "$last"')
    monkeypatch.setattr(confirm, "_PAUSE_SECONDS", 0.05)
    return [str(tmp_path / "bin" / "ssh"), "-o", "ControlPath=/shared", "-p", "22", "192.0.2.1"]


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n", encoding="ascii")
    path.chmod(0o755)


def armed(world: World) -> Armed:
    summary, _ = world.harden()
    waiting = summary["handed_on"]["armed"]
    return Armed(waiting["folder"], waiting["python"], waiting["seconds"])


def test_a_fresh_login_keeps_the_change(world: World, ssh: list[str], tmp_path: Path):
    confirm.confirm(ssh, armed(world))
    assert world.state() == "confirmed"
    said = (tmp_path / "note").read_text(encoding="utf-8")
    assert said.startswith("-o ControlPath=none -o ControlMaster=no -o ControlPath=/shared -p 22 192.0.2.1 sudo -n ")


def test_a_password_is_typed_and_never_an_argument(world: World, ssh: list[str], tmp_path: Path):
    confirm.confirm(ssh, armed(world), "geheim 密")
    assert world.state() == "confirmed"
    said = (tmp_path / "note").read_text(encoding="utf-8")
    assert "sudo -k -S -p ''" in said
    assert "geheim" not in said


def test_another_way_in_must_work_first(world: World, ssh: list[str]):
    tried: list[str | None] = []

    def probe() -> None:
        tried.append(world.state())
        if len(tried) < 3:
            raise RemoteError("probe@192.0.2.1:22: Authentication failed.")

    confirm.confirm(ssh, armed(world), probe=probe)
    assert tried == ["armed"] * 3
    assert world.state() == "confirmed"


def test_a_way_in_that_stays_shut_keeps_nothing(world: World, ssh: list[str]):
    def probe() -> None:
        raise RemoteError("probe@192.0.2.1:22: Authentication failed.")

    world.seconds = 1
    before = world.picture()
    with pytest.raises(TakenBackError, match=r"within 1 s of the change: probe@192\.0\.2\.1:22: Authentication failed"):
        confirm.confirm(ssh, armed(world), probe=probe)
    assert world.picture() == before


def test_what_kept_us_out_is_told_also_when_the_host_was_quicker(world: World, ssh: list[str]):
    def probe() -> None:
        if world.state() == "armed":
            raise RemoteError("probe@192.0.2.1:22: Authentication failed.")

    world.seconds = 1
    waiting = armed(world)
    with pytest.raises(TakenBackError, match=r"within 3 s of the change: probe@192\.0\.2\.1:22: Authentication failed"):
        confirm.confirm(ssh, Armed(waiting.folder, waiting.python, 3), probe=probe)


def test_without_a_login_the_host_takes_it_back_and_that_is_told(
    world: World, ssh: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "cut").touch()
    world.seconds = 1
    before = world.picture()
    waiting = armed(world)
    real = confirm._await_return

    def way_is_back(*arguments):
        (tmp_path / "cut").unlink()
        real(*arguments)

    monkeypatch.setattr(confirm, "_await_return", way_is_back)
    with pytest.raises(
        TakenBackError, match=r"no fresh login and sudo within 1 s of the change: no route.*taken the change back"
    ):
        confirm.confirm(ssh, waiting)
    assert world.picture() == before


def test_a_host_that_stays_silent_is_not_judged(
    world: World, ssh: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(confirm, "_GRACE_SECONDS", 0.1)
    (tmp_path / "cut").touch()
    world.seconds = 1
    with pytest.raises(CouldNotJudgeError, match="does not answer: look at its console"):
        confirm.confirm(ssh, armed(world))


def test_the_inventorys_password_for_sudo_is_taken():
    assert confirm.sudo_password({"ansible_become_password": "x"}) == "x"
    assert confirm.sudo_password({"ansible_become_pass": "y"}) == "y"
    assert confirm.sudo_password({}) is None
