"""What measured sizes say about larger ones."""

import pytest

from yunwei.drill import forecast

HOUR = 3600


def test_two_sizes_are_not_enough():
    assert forecast.forecast([(10, 1.0), (20, 2.0)], 100, HOUR) == "not enough sizes"


def test_many_drills_of_one_size_are_one_size():
    assert forecast.forecast([(1000, 1.0), (1010, 1.1), (1020, 0.9), (2000, 2.0)], 100, HOUR) == "not enough sizes"


def test_a_straight_line_is_carried_on():
    rows = [(100, 15.0), (200, 20.0), (400, 30.0)]
    assert forecast.forecast(rows, 10_000, HOUR) == {
        "sizes": [100, 200, 400],
        "production_seconds": pytest.approx(510.0),
        "breaks_at_bytes": 71800,
    }


def test_a_line_that_does_not_rise_never_breaks():
    assert forecast.forecast([(100, 9.0), (200, 9.0), (400, 9.0)], 500, HOUR)["breaks_at_bytes"] is None


def test_only_drills_that_passed_are_measured():
    good = {"verdict": "passed", "drilled_bytes": 7, "total_seconds": 1.5}
    assert forecast.row_of(good) == (7, 1.5)
    assert forecast.row_of({**good, "verdict": "failed"}) is None
    assert forecast.row_of({**good, "total_seconds": None}) is None
