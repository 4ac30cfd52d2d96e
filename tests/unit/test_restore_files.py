"""Files come back as they were, and whatever differs is named."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from restore_tree import PAYLOAD, TOP, make_payload, make_tree, manifest_lines
from yunwei_host import names
from yunwei_restore import compare_files, extract, tarstream, tree
from yunwei_restore.errors import BadBackupError, NotJudgedError


class Case:
    """A tree, its lines and payload, and an empty root to restore into."""

    def __init__(self, folder: Path):
        self.source, self.root, payload = folder / "source", folder / "root", folder / "payload"
        self.source.mkdir()
        self.root.mkdir()
        make_tree(self.source)
        self.lines = manifest_lines(self.source)
        make_payload(self.source, self.lines, payload)
        self.payloads = {PAYLOAD: str(payload)}

    @property
    def entries(self):
        return [(names.decode_absolute_path(line["p"]), line) for line in self.lines]

    def restore(self, pattern=None):
        chosen = extract.chosen(self.entries, pattern)
        return extract.extract(chosen, self.payloads, str(self.root), "files:app")

    def compare(self):
        return compare_files.compare(self.entries, str(self.root), [TOP])

    def place(self, name=b""):
        return os.fsencode(self.root) + TOP + name


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)


def test_everything_comes_back_exactly(case):
    written = case.restore()
    tally = case.compare()
    assert (tally.expected, tally.different) == (len(case.lines), 0), tally.differences
    assert written == sum(line["size"] for line in case.lines if line["k"] == "f")
    assert os.lstat(case.place(b"/plain")).st_ino == os.lstat(case.place(b"/second name")).st_ino
    assert (
        os.lstat(case.place(b"/plain")).st_mtime_ns % 10**9
        == os.lstat(os.fsencode(case.source) + TOP + b"/plain").st_mtime_ns % 10**9
    )


@pytest.mark.parametrize(
    ("damage", "name", "key"),
    [
        (os.unlink, b"/bad-\xff\xfe name", None),
        (lambda path: os.chmod(path, 0o600), b"/plain", "mode"),
        (lambda path: Path(os.fsdecode(path)).write_bytes(b"hellO"), b"/plain", "sha256"),
        (lambda path: os.utime(path, (1, 1)), b"/empty", "mtime"),
        (lambda path: (os.unlink(path), os.symlink(b"else", path)), b"/link", "target"),
        (lambda path: (os.unlink(path), os.mkdir(path)), b"/empty", "kind"),
        (lambda path: (shutil.copy(path, path + b"x"), os.rename(path + b"x", path)), b"/second name", "same file as"),
    ],
)
def test_a_damaged_entry_is_named(case, damage, name, key):
    case.restore()
    damage(case.place(name))
    found = {one["object"]: one for one in case.compare().differences}
    # Linking, unlinking and chmod also touch what is around; the damaged entry itself must be among the findings.
    difference = found[names.encode_name(TOP + name)]
    assert (difference["found"] is None) if key is None else (key in difference["expected"])


def test_an_entry_too_many_is_named(case):
    case.restore()
    Path(os.fsdecode(case.place(b"/intruder"))).touch()
    assert "/srv/app/intruder" in [one["object"] for one in case.compare().differences]


def test_a_glob_takes_one_file_or_what_is_below_a_folder(case):
    assert [path for path, _ in extract.chosen(case.entries, "/srv/app/pla*")] == [TOP + b"/plain"]
    below = [path for path, _ in extract.chosen(case.entries, "/srv/app/案件")]
    assert below == [TOP + b"/\xe6\xa1\x88\xe4\xbb\xb6" + rest for rest in (b"", b"/deep", b"/deep/\xe6\x96\x87")]
    case.restore("/srv/app/案件")
    assert len(Path(os.fsdecode(case.place(b"/\xe6\xa1\x88\xe4\xbb\xb6/deep/\xe6\x96\x87"))).read_bytes()) == 100_000


def test_a_hard_link_alone_brings_its_content(case):
    case.restore("*second name")
    assert Path(os.fsdecode(case.place(b"/second name"))).read_bytes() == b"hello"


def test_content_that_is_not_in_its_payload_is_a_bad_backup(case):
    case.lines.append(dict(case.lines[-1], p="/srv/app/zz", k="f", size=1, sha256="0" * 64, **{"in": PAYLOAD}))
    with pytest.raises(BadBackupError, match=r"/srv/app/zz: its content is not in payload"):
        case.restore()


def test_never_writes_over_what_is_there(case):
    case.place()
    os.makedirs(case.place())
    Path(os.fsdecode(case.place(b"/plain"))).write_text("mine")
    with pytest.raises(NotJudgedError, match="File exists"):
        case.restore()
    assert Path(os.fsdecode(case.place(b"/plain"))).read_text() == "mine"


def test_never_writes_through_a_link(case, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.makedirs(os.path.dirname(case.place()))
    os.symlink(tmp_path / "elsewhere", os.fsdecode(case.place()))
    with pytest.raises(NotJudgedError, match="File exists"):
        case.restore()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_tree_refuses_to_leave_itself(tmp_path):
    with pytest.raises(NotJudgedError):
        tree.Tree(str(tmp_path)).at(b"/a/..")


def test_times_of_python_2_are_compared_to_the_microsecond():
    line = {"mtime": "1700000000.123456789"}
    assert extract.time_of(line) == 1_700_000_000_123_456_789
    assert extract.time_of({"mtime": "1700000000.12"}) == 1_700_000_000_120_000_000
    assert extract.time_of({"mtime": "-1.5"}) == -1_500_000_000
    assert compare_files._rounded(1_700_000_000_123_457_000, extract.time_of(line))
    assert not compare_files._rounded(1_700_000_000_123_456_790, extract.time_of(line))


def stream_of(payload):
    return [
        (name, b"".join(archive.blocks(7))) for archive in [tarstream.TarStream(payload)] for name in archive.files()
    ]


def test_a_tar_stream_is_read_as_tar_reads_it(case):
    with open(case.payloads[PAYLOAD], "rb") as ours, tarfile.open(case.payloads[PAYLOAD], encoding="latin-1") as theirs:
        expected = [(one.name.encode("latin-1"), theirs.extractfile(one).read()) for one in theirs if one.isreg()]
        assert stream_of(ours) == expected


def test_times_before_1970_and_very_long_names_are_read():
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("old", "n" * 4000):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = 3, -86400
            archive.addfile(entry, io.BytesIO(b"abc"))
    assert stream_of(io.BytesIO(made.getvalue())) == [(b"old", b"abc"), (b"n" * 4000, b"abc")]


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:600], lambda raw: raw[:512], lambda raw: b"x" + raw[1:], lambda _: b""]
)
def test_a_damaged_tar_stream_is_an_error(case, damage):
    with open(case.payloads[PAYLOAD], "rb") as stream:
        raw = stream.read()
    with pytest.raises(tarstream.TarError):
        stream_of(io.BytesIO(damage(raw)))
