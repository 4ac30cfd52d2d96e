import pytest

from yunwei.report.proof import destroyed_lines, proof_lines, version_lines
from yunwei.report.units import Units
from yunwei.report.words import load_words

UNITS = Units(load_words("en"), "Asia/Shanghai")


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("processes_left", [], ("processes left", "none")),
        ("files_left", ["/srv/restore/a", "/srv/b"], ("files left", "/srv/restore/a, /srv/b")),
        ("scanned_at", 1774918988.214, ("scanned at", "2026-03-31 09:03:08 UTC+08:00")),
        ("scanned_at", 1e300, ("scanned at", "1e+300")),
        ("free_bytes_after", 18253606912, ("free space after", "18.3 GB")),
        ("free_bytes_after", -1, ("free space after", "-1")),
        ("of its own", {"b": [1], "a": None}, ("of its own", "a: ; b: [1]")),
        ("sealed", False, ("sealed", "false")),
    ],
)
def test_tells_each_finding_of_the_scan(key, value, line):
    assert proof_lines({key: value}, UNITS) == [line]


def test_tells_the_scan_in_one_order_whatever_the_documents_is():
    lines = proof_lines({"zeal": 1, "units_left": [], "processes_left": []}, UNITS)
    assert [label for label, _ in lines] == ["processes left", "units left", "zeal"]


def test_tells_what_was_destroyed_in_the_pages_language():
    what = ["database instance", "3 processes", "10871 files", "1288490188 bytes", "/srv/restore/3 files"]
    assert destroyed_lines(what, Units(load_words("zh"))) == [
        "数据库实例",
        "3 个进程",
        "10,871 个文件",
        "1.29 GB",
        "/srv/restore/3 files",
    ]


@pytest.mark.parametrize(("dirty", "commit"), [("True", "abc (with uncommitted changes)"), ("False", "abc")])
def test_a_commit_with_changes_is_told_as_such(dirty, commit):
    assert version_lines({"dirty": dirty, "git_commit": "abc", "odd": None}, UNITS) == [
        ("commit", commit),
        ("odd", "not recorded"),
    ]
