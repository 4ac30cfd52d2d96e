"""A file set arrives byte for byte, whatever its names, and unchanged files are not sent again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import tarfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import source_runner
from yunwei_host import frames, names

ODD_NAMES = [
    b"\xff\xfe bad",
    b"new\nline",
    b"quote'\" $x {{ y }}",
    "人民调解".encode(),
    "中文".encode("gbk"),
    b"n" * 255,
    b"-rf",
    b"%41",
]


class Set:
    """A tree of files on disk with the configuration that names it."""

    def __init__(self, base: Path):
        self.root = os.fsencode(base / "srv")
        os.mkdir(self.root)
        self.config = source_runner.write_config(base / "source.json")
        self.configure()

    def configure(self, paths: list[str] | None = None, exclude: list[str] | None = None) -> None:
        files = {"paths": paths or [os.fsdecode(self.root)], "exclude": exclude or []}
        source_runner.write_config(self.config, file_sets={"app": files})

    def at(self, name: bytes) -> bytes:
        return self.root + b"/" + name

    def write(self, name: bytes, content: bytes, age: float = 60) -> bytes:
        path = self.at(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(content)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def key(self, name: bytes) -> str:
        return names.encode_name(self.at(name))

    def run(self, earlier: source_runner.Heard | None = None, later: bool = False) -> source_runner.Heard:
        baseline = b""
        if earlier:
            told = [{"p": p, "stat": line["stat"], "sha256": line["sha256"]} for p, line in earlier.files().items()]
            baseline = zlib.compress("".join(json.dumps(one) + "\n" for one in told).encode())
        heard = source_runner.run(self.config, "files app", baseline=baseline, later=later)
        assert heard.failure is None, heard.failure
        assert heard.code == 0
        return heard


@pytest.fixture
def files(tmp_path: Path) -> Set:
    return Set(tmp_path)


def members(payload: bytes) -> dict[bytes, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(payload)) as tar:
        return {os.fsencode(member.name): member for member in tar}


def unpack(payload: bytes, folder: Path) -> bytes:
    """Restore with nothing but GNU tar; return where the root lies now."""
    folder.mkdir()
    subprocess.run(["tar", "-xpf", "-", "--numeric-owner", "-C", folder], input=payload, check=True)
    return os.fsencode(folder)


def picture(root: bytes) -> dict[bytes, Any]:
    """Return everything about the tree below `root` that a restore must bring back."""
    seen: dict[bytes, Any] = {}
    links: dict[tuple[int, int], list[bytes]] = {}
    for folder, folders, inside in os.walk(root):
        for name in [b".", *(one for one in folders if os.path.islink(folder + b"/" + one)), *inside]:
            path = folder if name == b"." else folder + b"/" + name
            status = os.lstat(path)
            if os.path.isfile(path) and status.st_nlink > 1:
                links.setdefault((status.st_dev, status.st_ino), []).append(path[len(root) :])
            content = b""
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                content = Path(os.fsdecode(path)).read_bytes()
            facts = (status.st_mode, status.st_uid, status.st_gid, int(status.st_mtime // 1), content)
            seen[path[len(root) :]] = facts
    seen[b"links"] = sorted(map(sorted, links.values()))
    return seen


def test_plain_tar_brings_back_everything(files, tmp_path):
    for name in ODD_NAMES:
        files.write(name, b"content of " + name)
        files.write(b"folder of " + name[:200] + b"/x", b"below")
    files.write(b"empty", b"")
    os.link(files.write(b"linked", b"once"), files.at(b"z linked too"))
    os.symlink(b"/nowhere/" + b"\xff" * 150, files.at(b"long link"))
    os.symlink(b"..", files.at(b"parent"))
    os.mkfifo(files.at(b"pipe"), 0o640)
    os.chmod(files.write(b"setuid", b"s"), 0o4755)  # noqa: S103 a setuid bit must come back
    os.chown(files.write(b"owned", b"o"), 65534, 3_000_000)
    os.makedirs(files.at(b"/".join([b"deep-folder"] * 40)))
    os.utime(files.write(b"old", b"o"), (-5, -5))
    os.utime(files.at(b"empty"), (1 << 33, 1 << 33))
    heard = files.run()
    unpacked = unpack(heard.payload, tmp_path / "out")
    assert picture(unpacked + files.root) == picture(files.root)


def test_every_line_says_what_was_sent(files):
    content = os.urandom(700_000)
    path = files.write(b"large \xff", content)
    os.link(path, files.at(b"z"))
    heard = files.run()
    line = heard.files()[files.key(b"large \xff")]
    assert line["sha256"] == hashlib.sha256(content).hexdigest()
    assert (line["k"], line["size"], line["sent"], line["changed"], line["target"]) == ("f", 700_000, True, False, None)
    status = os.lstat(path)
    assert (line["uid"], line["gid"], line["mode"]) == (status.st_uid, status.st_gid, status.st_mode & 0o7777)
    seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
    assert line["mtime"] == f"{seconds}.{nanoseconds:09}"
    second = heard.files()[files.key(b"z")]
    assert (second["k"], second["target"], second["sha256"]) == ("h", files.key(b"large \xff"), None)
    assert heard.trailer["bytes"] == len(heard.payload)


def test_lines_are_canonical_json(files):
    files.write("人民 \xff".encode("latin-1", "replace"), b"x")
    os.symlink(b"a", files.at(b"link"))
    for line in files.run().lines:
        assert set(line) == {"t", "p", "k", "mode", "uid", "gid", "user", "group", "size", "mtime", "target", "sha256",
                             "stat", "sent", "changed"}  # fmt: skip


def test_names_are_encoded_as_the_backup_server_reads_them(files):
    for name in ODD_NAMES:
        files.write(name, b"x")
    found = {names.decode_absolute_path(path) for path in files.run().files()}
    assert {files.at(name) for name in ODD_NAMES} <= found


def test_a_second_run_sends_nothing_that_is_unchanged(files):
    for number in range(20):
        files.write(b"d%d/f" % (number % 3), os.urandom(1000))
    files.write(b"touched", b"before")
    os.symlink(b"d0", files.at(b"link"))
    first = files.run(later=True)
    files.write(b"touched", b"after!")
    second = files.run(first)
    assert set(members(second.payload)) == {files.at(b"touched")[1:]}
    old, new = first.files(), second.files()
    assert set(old) == set(new)
    assert [path for path in new if new[path]["sent"]] == [files.key(b"touched")]
    assert {path: line["sha256"] for path, line in old.items() if path != files.key(b"touched")} == {
        path: line["sha256"] for path, line in new.items() if path != files.key(b"touched")
    }


@pytest.mark.parametrize("change", ["mode", "owner", "same size and time", "renamed", "replaced"])
def test_no_change_hides(files, change):
    path = files.write(b"file", b"before")
    first = files.run(later=True)
    name = b"file"
    if change == "mode":
        os.chmod(path, 0o600)
    elif change == "owner":
        os.chown(path, 1234, 1234)
    elif change == "same size and time":
        status = os.lstat(path)
        with open(path, "wb") as stream:
            stream.write(b"after!")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "renamed":
        name = b"other"
        os.rename(path, files.at(name))
    else:
        status = os.lstat(path)
        os.rename(path, files.at(b"backup"))
        files.write(b"file", b"after!")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = files.run(first)
    assert second.files()[files.key(name)]["sent"]


def test_a_file_changed_just_now_is_sent_again(files):
    files.write(b"file", b"one", age=0)
    first = files.run()
    assert first.files()[files.key(b"file")]["stat"].startswith("unsure:")
    second = files.run(first)
    assert second.files()[files.key(b"file")]["sent"]


def test_exclusions_leave_whole_folders_out(files):
    for name in (b"keep/a.txt", b"keep/a.log", b"tmp/x", b"tmp/deep/y", b"tmpx", "人民/a".encode()):
        files.write(name, b"x")
    files.configure(exclude=["*.log", "tmp", "人民*"])
    found = set(files.run().files())
    assert found == {files.key(name) for name in (b"keep", b"keep/a.txt", b"tmpx")} | {names.encode_name(files.root)}


def test_sockets_are_listed_but_have_no_bytes(files, monkeypatch):
    monkeypatch.chdir(os.fsdecode(files.root))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        heard = files.run()
    assert heard.files()[files.key(b"socket")]["k"] == "s"
    assert not heard.files()[files.key(b"socket")]["sent"]
    assert files.at(b"socket")[1:] not in members(heard.payload)


def test_a_link_is_never_followed(files, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    os.symlink(tmp_path / "secret", files.at(b"link"))
    heard = files.run()
    assert b"key" not in b"".join(members(heard.payload))
    assert heard.files()[files.key(b"link")]["target"] == str(tmp_path / "secret")


def test_a_path_through_a_link_is_refused(files, tmp_path):
    os.symlink(files.root, tmp_path / "link")
    files.write(b"d/x", b"x")
    files.configure(paths=[f"{tmp_path}/link/d"])
    heard = source_runner.run(files.config, "files app")
    assert heard.code == 1
    assert heard.failure
    assert "without links" in heard.failure.next_step


def test_a_root_that_is_a_link_is_listed_as_one(files, tmp_path):
    os.symlink(files.root, tmp_path / "link")
    files.write(b"secret", b"x")
    files.configure(paths=[f"{tmp_path}/link"])
    assert [line["k"] for line in files.run().lines] == ["l"]


def test_one_file_may_be_a_path(files):
    files.write(b"one", b"content")
    files.configure(paths=[os.fsdecode(files.at(b"one"))])
    heard = files.run()
    assert [line["p"] for line in heard.lines] == [files.key(b"one")]
    assert list(members(heard.payload)) == [files.at(b"one")[1:]]


def test_paths_that_overlap_are_refused(files):
    files.write(b"d/x", b"x")
    files.configure(paths=[os.fsdecode(files.root), os.fsdecode(files.at(b"d"))])
    heard = source_runner.run(files.config, "files app")
    assert heard.code == 2
    assert heard.failure
    assert "only the outer one" in heard.failure.next_step


def listen_slowly(files: Set, act) -> source_runner.Heard:
    """Take the answer's beginning, `act` while the program is stopped by its full pipe, then take the rest."""
    process = source_runner.start(files.config, "files app")
    waits_in = Path(f"/proc/{process.pid}/wchan")
    until = time.monotonic() + 30
    while "pipe_write" not in waits_in.read_text():
        assert time.monotonic() < until, "it never came to a full pipe"
    act()
    return source_runner.hear(process)


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_marked_and_its_digest_is_of_the_bytes_sent(files, change, tmp_path):
    path = files.write(b"changing", b"a" * 5_000_000)

    def act():
        if change == "shrink":
            os.truncate(path, 1_000_000)
        else:
            with open(path, "ab" if change == "grow" else "r+b") as stream:
                stream.seek(0, os.SEEK_END if change == "grow" else os.SEEK_SET)
                stream.write(b"b" * 5_000_000)

    heard = listen_slowly(files, act)
    line = heard.files()[files.key(b"changing")]
    assert heard.code == 0
    assert line["changed"]
    assert line["size"] == 5_000_000
    assert line["stat"].startswith("unsure:")
    unpacked = unpack(heard.payload, tmp_path / "out")
    content = Path(os.fsdecode(unpacked + path)).read_bytes()
    assert len(content) == 5_000_000
    assert hashlib.sha256(content).hexdigest() == line["sha256"]


def test_what_vanishes_while_listing_is_noted_not_sent(files):
    files.write(b"a", b"a" * 5_000_000)
    files.write(b"b", b"gone soon")
    files.write(b"0 looked at before a", b"x")
    heard = listen_slowly(files, lambda: os.unlink(files.at(b"b")))
    assert heard.code == 0
    assert {"t": "note", "p": files.key(b"b"), "reason": "vanished"} in heard.lines
    assert files.key(b"b") not in heard.files()
    assert files.at(b"b")[1:] not in members(heard.payload)


@pytest.mark.parametrize(("becomes", "reason"), [("link", "vanished"), ("folder", "replaced while it was listed")])
def test_a_folder_swapped_after_it_was_looked_at_is_not_entered(files, tmp_path, becomes, reason):
    """`0` is looked at before `a` is sent, and entered afterwards: in between another account may swap it."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    files.write(b"a", b"a" * 5_000_000)
    files.write(b"0/x", b"x")

    def act():
        os.rename(files.at(b"0"), tmp_path / "moved")
        if becomes == "link":
            os.symlink(tmp_path / "secret", files.at(b"0"))
        else:
            os.rename(tmp_path / "secret", files.at(b"0"))

    heard = listen_slowly(files, act)
    assert heard.code == 0
    assert {"t": "note", "p": files.key(b"0"), "reason": reason} in heard.lines
    assert not [name for name in members(heard.payload) if b"key" in name]


def test_an_empty_tree_is_still_an_archive(files, tmp_path):
    heard = files.run()
    assert len(heard.payload) == 512 + 10240
    unpack(heard.payload, tmp_path / "out")


@pytest.mark.parametrize("baseline", [b"garbage", zlib.compress(b"[]\n"), zlib.compress(b'{"p": 1}\n'),
                                      zlib.compress(b'{"p":"a","stat":"b","sha256":null}\n' * 9)[:-3],
                                      zlib.compress(b'{"p":"a","stat":"b","sha256":null}')])  # fmt: skip
def test_a_broken_baseline_is_refused(files, baseline):
    heard = source_runner.run(files.config, "files app", baseline=baseline)
    assert heard.code == 1
    assert heard.failure
    assert heard.failure.where == "baseline"


def test_a_baseline_of_another_interpreter_means_all_is_sent(files):
    files.write(b"a", b"a")
    first = files.run(later=True)
    for line in first.lines:
        line["stat"] = line["stat"].replace("3:", "2:", 1)
    assert files.run(first).files()[files.key(b"a")]["sent"]


def test_damage_on_the_way_is_refused(files):
    """The reader of the backup server takes nothing but the whole answer of this program."""
    files.write(b"a", os.urandom(3000))
    process = source_runner.start(files.config, "files app")
    assert process.stdout
    answer = process.stdout.read()
    process.stdout.close()
    assert process.wait(20) == 0
    for position in (len(frames.MAGIC) + 2, len(answer) // 2, len(answer) - 5):
        reading, writing = os.pipe()
        os.write(writing, answer[:position])
        os.close(writing)
        with pytest.raises(frames.FrameRefusedError):
            list(frames.read_frames(reading))
        os.close(reading)
