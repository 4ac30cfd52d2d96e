import pytest

from yunwei.report.proof import proof_lines
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
