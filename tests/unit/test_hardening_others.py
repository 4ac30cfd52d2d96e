"""What others do to a host's files while a change is made, waits, or is to be undone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from yunwei_harden import guard, revert
from yunwei_host.faults import FaultError

from tests.harden_world import AGE, MODE, RUN, World, rule, setting

LONELY = rule("lonely", setting("file_mode", "/etc/lonely", "0640"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(guard, "start", lambda *_: None)
    world = World(tmp_path)
    world.write("etc/lonely", "x").chmod(0o644)
    return world


def replace(path: Path, victim: Path) -> None:
    """Do as passwd does: a new file in the place of the old one."""
    new = path.with_name("new")
    new.write_text(victim.read_text(encoding="utf-8"), encoding="utf-8")
    new.chmod(path.stat().st_mode & 0o7777)
    new.rename(path)


def link(path: Path, victim: Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to(victim)


def link_hard(path: Path, victim: Path) -> None:
    path.rename(path.with_name("away"))
    os.link(victim, path)


def make_pipe(path: Path, _victim: Path) -> None:
    path.rename(path.with_name("away"))
    os.mkfifo(path)
    path.chmod(0o666)


@pytest.mark.parametrize("act", [link, link_hard, make_pipe])
def test_a_mode_is_set_through_no_link_neither_there_nor_back(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Callable[[Path, Path], None]
):
    victim = tmp_path / "victim"
    victim.write_text("secret", encoding="utf-8")
    victim.chmod(0o666)
    world.rules = [LONELY]
    monkeypatch.setattr(guard, "start", lambda *_: act(world.root / "etc/lonely", victim))
    with pytest.raises(FaultError, match=r"lonely is a link, .*; taking it back failed too, look at this host"):
        world.harden()
    assert victim.stat().st_mode & 0o7777 == 0o666
    assert (world.root / "etc/lonely").stat().st_mode & 0o7777 == 0o666
    assert world.state() == "reverting"


def test_a_mode_is_set_on_the_file_that_was_looked_at_alone(world: World, monkeypatch: pytest.MonkeyPatch):
    path = world.root / "etc/lonely"
    world.rules = [LONELY]
    monkeypatch.setattr(guard, "start", lambda *_: replace(path, path))
    with pytest.raises(FaultError, match=r"lonely .* is another file than before.*all of it was taken back"):
        world.harden()
    assert path.stat().st_mode & 0o7777 == 0o644


def test_a_file_with_a_second_name_is_refused_before_anything_changes(world: World):
    os.link(world.root / "etc/lonely", world.root / "etc/second")
    world.rules = [AGE, LONELY]
    before = world.picture()
    with pytest.raises(FaultError, match=r"lonely has 2 names; remove the others, then start again"):
        world.harden()
    assert world.picture() == before


def test_the_mode_of_a_file_that_was_made_anew_is_put_back_where_only_root_can_have_done_it(world: World):
    path = world.root / "etc/lonely"
    world.rules = [LONELY]
    world.confirmed()
    replace(path, path)
    path.parent.chmod(0o777)
    with pytest.raises(FaultError, match=r"not all could be put back: .*lonely .* is another file than before"):
        world.undo()
    assert (path.stat().st_mode & 0o7777, world.state()) == (0o640, "confirmed")
    path.parent.chmod(0o755)
    assert world.undo()[1]
    assert (path.stat().st_mode & 0o7777, world.state()) == (0o644, "undone")


def test_a_mode_that_was_changed_since_is_not_undone(world: World):
    world.rules = [LONELY]
    world.confirmed()
    (world.root / "etc/lonely").chmod(0o600)
    for check in (True, False):
        with pytest.raises(FaultError, match=r"changed since this change: .*/etc/lonely; undo what was changed later"):
            world.undo(check=check)


def test_a_file_that_was_removed_since_has_no_mode_to_put_back(world: World):
    world.rules = [LONELY, AGE]
    world.confirmed()
    (world.root / "etc/lonely").unlink()
    items = {Path(item["item"]).name: (item["status"], item["reason"]) for item in world.undo()[0]["items"]}
    assert items == {
        "login.defs": ("put back", None),
        "lonely": ("nothing to undo", "the file was removed since"),
    }


def saved_of(world: World) -> Path:
    (saved,) = (world.root / "etc").glob(f".yunwei-{RUN}*")
    return saved


def test_what_cannot_be_put_back_is_never_said_to_be(world: World):
    """The content of before is gone: neither a look nor the undo says otherwise."""
    world.rules = [AGE, MODE]
    world.confirmed()
    saved_of(world).unlink()
    before = world.picture()
    for check in (True, False):
        with pytest.raises(FaultError, match=r"login\.defs \(its content of before, .*, is gone\)"):
            world.undo(check=check)
    assert (world.state(), world.picture()) == ("confirmed", before)


def test_a_saved_file_that_was_changed_is_not_put_back(world: World):
    world.rules = [AGE]
    world.confirmed()
    saved_of(world).write_text("PASS_MAX_DAYS 1\n", encoding="utf-8")
    with pytest.raises(FaultError, match=r"changed since this change: .*\.yunwei-.* \(its content of before\)"):
        world.undo()


def test_the_guard_names_what_it_cannot_take_back(world: World):
    world.rules = [AGE]
    world.harden()
    saved = saved_of(world)
    kept = saved.with_name("kept")
    os.link(saved, kept)
    saved.unlink()
    done = world.guard("boot")
    assert (done.returncode, world.state()) == (1, "reverting")
    assert f"{saved}, the content of before, is gone; put {world.root}/etc/login.defs right by hand" in done.stderr
    kept.rename(world.root / "etc/login.defs")
    assert (world.guard("boot").returncode, world.state()) == (0, "reverted")


def test_an_undo_that_was_cut_short_is_gone_on_with(world: World):
    before = world.picture()
    world.confirmed()
    saved = next((world.root / "etc/pam.d").glob(f".yunwei-{RUN}*"))
    recipe = revert.read_recipe(str(world.folder()))
    (path,) = [entry["path"] for entry in recipe["files"] if entry["saved"] == str(saved)]
    saved.rename(path)
    assert world.undo()[1]
    assert world.picture() == before
