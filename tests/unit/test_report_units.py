import pytest

from yunwei.report.units import Units
from yunwei.report.words import load_words


@pytest.fixture
def units():
    return Units(load_words("en"), "Asia/Shanghai")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.424, "0.42 s"),
        (1, "1 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (3601, "1 h 0 min 1 s"),
        (4353, "1 h 12 min 33 s"),
        (86400, "1 d"),
        (97200, "1 d 3 h"),
    ],
)
def test_tells_durations(units, seconds, text):
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (418377216, "418 MB"),
        (40000000000, "40 GB"),
        (1530000000, "1.53 GB"),
    ],
)
def test_tells_sizes_in_decimal_units(units, size, text):
    assert units.size(size) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (418, 40000, "1.0 %"),
        (1, 10**9, "< 0.01 %"),
        (39999, 40000, "< 100 %"),
        (1, 1, "100.0 %"),
        (4, 1000, "0.40 %"),
    ],
)
def test_a_share_never_rounds_up_to_the_whole(units, part, whole, text):
    assert units.share(part, whole) == text


def test_tells_instants_in_the_reports_zone(units):
    assert units.instant("2026-03-30T17:30:07Z") == "2026-03-31 01:30:07 UTC+08:00"
    assert units.day("2026-03-30T17:30:07Z") == "2026-03-31"


def test_keeps_the_documents_zone_without_one_of_its_own():
    assert Units(load_words("zh")).instant("2026-03-30T17:30:07+00:00") == "2026-03-30 17:30:07 UTC+00:00"
