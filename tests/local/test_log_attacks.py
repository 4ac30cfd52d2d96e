"""A local user races the cleaner. Every window is forced: the attack falls before each single system call of ours.

The product's code runs unchanged in this process; Python's own profiler stops it before every call of the operating
system, and the attack is made there, as the account that owns the folder of the logs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from yunwei_host import loglist, names, openfiles

from tests.log_world import Logs

USER = 12345
OURS = ("trail.py", "logwalk.py", "logplan.py", "logretire.py", "openfiles.py")
LINE = b"line that was archived\n"


class Ground:
    """A user's folder of logs, and root's files beside it that nobody may touch."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        base.chmod(0o755)
        self.archived: set[bytes] = set()
        self.logs = Logs(base, monkeypatch)
        self.place = self.logs.place
        self.home = base / "home"
        self.home.mkdir()
        os.chown(self.home, USER, USER)
        self.outside = base / "outside"
        self.outside.mkdir(mode=0o711)
        for name in ("a.log.1", "shadow"):
            (self.outside / name).write_bytes(b"root's own\n")
            os.utime(self.outside / name, (1, 1))
        for name in ("a.log.1", "b.log.1"):
            self.logs.write(name, content=LINE, below="app")
        for path in (self.place, self.place / "app", *(self.place / "app").iterdir()):
            os.chown(path, USER, USER)
        self._see_this_process_alone(base, monkeypatch)

    def _see_this_process_alone(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Looking at every process of the machine hundreds of times would only take time."""
        processes = base / "proc"
        processes.mkdir()
        (processes / str(os.getpid())).symlink_to("/proc/self")
        monkeypatch.setattr(openfiles, "PROCESSES", str(processes))

    def archive(self, entry: dict[str, Any]) -> bool:
        """Keep the content of a planned file that is as it was planned, as the source program sends it."""
        try:
            descriptor = os.open(names.decode_name(entry["p"]), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as stream:
            same = loglist.key_of(os.fstat(descriptor)) == entry["key"]
            if same:
                self.archived.add(stream.read())
        return same

    def contents(self) -> set[bytes]:
        """Return every content that is still somewhere in the user's folders."""
        paths = [path for folder in (self.place, self.home) for path in folder.rglob("*")]
        return {path.read_bytes() for path in paths if path.is_file() and not path.is_symlink()}

    def root_s(self) -> dict[str, tuple[str, int]]:
        """Return content and number of names of all that belongs to root."""
        return {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode)
            for path in self.outside.iterdir()
        }


def swap_file_for_link(ground: Ground) -> None:
    (ground.place / "app" / "a.log.1").unlink(missing_ok=True)
    (ground.place / "app" / "a.log.1").symlink_to(ground.outside / "shadow")


def swap_folder_for_link(ground: Ground) -> None:
    (ground.place / "app").rename(ground.place / "elsewhere")
    (ground.place / "app").symlink_to(ground.outside)


def move_folder_out_and_link_it(ground: Ground) -> None:
    """The planned files themselves, with all that the plan knows of them, but no longer in the place."""
    (ground.place / "app").rename(ground.home / "app")
    (ground.place / "app").symlink_to(ground.home / "app")


def rename_a_parent(ground: Ground) -> None:
    (ground.place / "app").rename(ground.place / "elsewhere")
    (ground.place / "app").mkdir()
    for name in ("a.log.1", "b.log.1"):
        _write(ground.place / "app" / name, b"another and not archived\n")


def rotate(ground: Ground) -> None:
    app = ground.place / "app"
    for old, new in (("b.log.1", "b.log.2"), ("a.log.1", "b.log.1")):
        with contextlib.suppress(FileNotFoundError):
            (app / old).rename(app / new)
    _write(app / "a.log.1", b"fresh and not archived\n")


def replace_with_same_size_and_time(ground: Ground) -> None:
    path = ground.place / "app" / "a.log.1"
    _write(path.with_name("new"), b"LINE THAT IS ANOTHER..\n")
    os.utime(path.with_name("new"), (1_790_000_000 - 60 * 86400,) * 2)
    path.with_name("new").rename(path)


def append(ground: Ground) -> None:
    with (ground.place / "app" / "a.log.1").open("ab") as stream:
        stream.write(b"and more\n")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


ATTACKS = (
    swap_file_for_link,
    swap_folder_for_link,
    move_folder_out_and_link_it,
    rename_a_parent,
    rotate,
    replace_with_same_size_and_time,
    append,
)


def hard_link_to_root_s_file(ground: Ground) -> None:
    """Made as root, as if the kernel did not protect hard links (NeoKylin 6 does not)."""
    (ground.place / "app" / "a.log.1").unlink(missing_ok=True)
    os.link(ground.outside / "shadow", ground.place / "app" / "a.log.1")


def as_user(attack: Callable[[Ground], None], ground: Ground) -> None:
    """Make the attack in a process of its own that is the user and nobody else."""
    child = os.fork()
    if not child:
        try:
            os.seteuid(0)
            if attack is not hard_link_to_root_s_file:
                os.setgroups([])
                os.setgid(USER)
                os.setuid(USER)
            attack(ground)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@contextlib.contextmanager
def as_root() -> Iterator[None]:
    """Look at everything, also where the product's code has just given root up."""
    uid, gid = os.geteuid(), os.getegid()
    os.seteuid(0)
    os.setegid(0)
    try:
        yield
    finally:
        os.setegid(gid)
        os.seteuid(uid)


@contextlib.contextmanager
def before_each_call(act: Callable[[int], None]) -> Iterator[None]:
    """Call `act(n)` before the n-th call of the operating system that our own code makes in the block."""
    count = 0

    def hook(frame: FrameType, event: str, called: Any) -> None:
        nonlocal count
        ours = os.path.basename(frame.f_code.co_filename) in OURS
        if event == "c_call" and ours and getattr(called, "__module__", "") == "posix":
            count += 1
            act(count)

    sys.setprofile(hook)
    try:
        yield
    finally:
        sys.setprofile(None)


def calls_of(run: Callable[[], object]) -> int:
    """Return how many windows a run has."""
    seen = [0]
    with before_each_call(lambda number: seen.__setitem__(0, number)):
        run()
    return seen[0]


def plan_and_retire(ground: Ground) -> dict[str, str]:
    """Plan, note what the archive would then hold, retire that."""
    _, packed = ground.logs.plan()
    entries = loglist.unpack(packed["packed"], packed["sha256"])
    stored = [entry for entry in entries if ground.archive(entry)]
    return ground.logs.retire(loglist.pack([loglist.to_line(entry) for entry in stored]))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Ground]]:
    """Return a function that makes the ground anew."""
    made = iter(range(10_000))
    # Right below /dev/shm: every folder on the way is some more windows.
    base = Path(tempfile.mkdtemp(prefix="yw-", dir="/dev/shm"))
    base.chmod(0o755)

    def make() -> Ground:
        folder = base / str(next(made))
        folder.mkdir()
        return Ground(folder, monkeypatch)

    yield make
    os.seteuid(0)
    os.setegid(0)
    shutil.rmtree(base)


def test_without_an_attack_both_files_go(fresh: Callable[[], Ground]):
    ground = fresh()
    assert plan_and_retire(ground) == {"a.log.1": "retired", "b.log.1": "retired"}
    assert ground.contents() == set()


@pytest.mark.parametrize("attack", [*ATTACKS, hard_link_to_root_s_file], ids=lambda attack: attack.__name__)
def test_an_attack_in_any_window_reaches_nothing_outside_and_loses_nothing(fresh, attack):
    windows = calls_of(lambda: plan_and_retire(fresh()))
    assert windows > 40, "the profiler sees none of our calls"
    hits = 0
    for window in range(1, windows + 1):
        ground = fresh()
        before = ground.root_s()
        there: set[bytes] = set()

        def strike(number: int, window=window, ground=ground, there=there) -> None:
            if number == window:
                as_user(attack, ground)
                with as_root():
                    there.update(ground.contents())

        with contextlib.suppress(Exception), before_each_call(strike):  # a run that ends by a fault is a good end
            plan_and_retire(ground)
        hits += bool(there)
        assert b"root's own\n" not in ground.archived
        assert ground.root_s() == before, f"window {window}"
        lost = there - ground.contents() - ground.archived - {b"root's own\n"}
        assert lost == set(), f"window {window}"
    assert hits > 40


def test_what_is_opened_in_any_window_is_not_removed_under_its_reader(fresh):
    """A program that opens the file by its name, at any moment, writes to a file that still has one."""
    windows = calls_of(lambda: plan_and_retire(fresh()))
    for window in range(1, windows + 1):
        ground, held = fresh(), []

        def strike(number: int, window=window, ground=ground, held=held) -> None:
            if number == window:
                with as_root(), contextlib.suppress(FileNotFoundError):
                    held.append(os.open(ground.place / "app" / "a.log.1", os.O_WRONLY | os.O_APPEND))

        with before_each_call(strike):
            plan_and_retire(ground)
        for descriptor in held:
            os.write(descriptor, b"late\n")
            os.close(descriptor)
            assert LINE + b"late\n" in ground.contents(), f"window {window}"


def test_a_killed_retirement_is_finished_by_the_next_run(fresh):
    """At every window: nothing but archived files is gone, and the next run needs no help."""
    windows = calls_of(lambda: plan_and_retire(fresh()))
    for window in range(1, windows + 1):
        ground = fresh()
        child = os.fork()
        if not child:
            with before_each_call(lambda number, window=window: os._exit(9) if number == window else None):
                plan_and_retire(ground)
            os._exit(0)
        os.waitpid(child, 0)
        ground.logs.runs += 1
        assert set(plan_and_retire(ground).values()) <= {"retired"}, f"window {window}"
        assert ground.contents() == set(), f"window {window}"


def test_between_plan_and_retirement(fresh):
    for attack in (*ATTACKS, hard_link_to_root_s_file):
        ground = fresh()
        before = ground.root_s()
        _, packed = ground.logs.plan()
        as_user(attack, ground)
        there = ground.contents()
        told = ground.logs.retire(packed)
        assert ground.root_s() == before
        assert there - ground.contents() <= {LINE}, attack.__name__
        assert told["a.log.1"] != "retired", attack.__name__


def test_a_list_that_names_what_is_in_no_place_is_refused(fresh):
    """As if the backup server or the way to it had been taken over."""
    ground = fresh()
    _, packed = ground.logs.plan()
    (first, _) = loglist.unpack(packed["packed"], packed["sha256"])
    for path in (
        ground.outside / "a.log.1",
        ground.place / "app" / "shadow",
        ground.place / "app" / "pg_wal" / "a.log.1",
    ):
        forged = loglist.pack([loglist.to_line({**first, "p": str(path)})])
        with pytest.raises(Exception, match="is in no place of rule app"):
            ground.logs.retire(forged)
    assert len(ground.contents()) == 1
