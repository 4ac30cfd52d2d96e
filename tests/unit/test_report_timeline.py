import pytest

from tests.drill_samples import SAMPLES, changed, sample
from yunwei.report.schema import check_drill
from yunwei.report.timeline import AREA, LEFT, WIDTH, lay_out
from yunwei.report.units import Units
from yunwei.report.words import load_words

UNITS = Units(load_words("en"))


def chart_of(document):
    return lay_out(check_drill(document), UNITS)


def test_the_hour_bar_is_true_to_scale():
    chart = chart_of(sample())
    assert chart.filled / AREA == pytest.approx(47.83 / 3600)
    assert chart.target_x == pytest.approx(LEFT + AREA)
    assert chart.magnified == pytest.approx(3600 / 47.83)


def test_phases_follow_each_other_and_fill_the_total():
    chart = chart_of(sample())
    for before, after in zip(chart.rows, chart.rows[1:], strict=False):
        assert after.x == pytest.approx(before.x + before.width)
    assert sum(row.width for row in chart.rows) == pytest.approx(AREA)


def test_time_that_no_phase_accounts_for_is_shown():
    last = chart_of(sample()).rows[-1]
    assert (last.name, last.seconds, last.between) == ("Between, in all", "0.77 s", True)


def test_a_drill_beyond_the_target_shows_the_target_inside_both_charts():
    chart = chart_of(sample("drill_late"))
    assert LEFT < chart.target_x < LEFT + chart.filled
    assert LEFT < chart.target_row_x < LEFT + AREA
    assert chart.magnified == pytest.approx(1.02)


def test_the_target_is_not_drawn_into_phases_that_end_before_it():
    assert chart_of(sample()).target_row_x is None


def test_without_a_phase_there_is_no_chart():
    assert chart_of(changed(["phases"], [], "drill_could_not_judge")) is None


@pytest.mark.parametrize("seconds", [0, 0.003, 0.4, 7, 61, 3599, 3600, 50000, 4000000])
def test_ticks_are_few_and_inside_at_any_length(seconds):
    document = changed(["phases"], [{"name": "load", "seconds": seconds, "bytes": None}], "drill_could_not_judge")
    chart = chart_of(document)
    for ticks in (chart.hour_ticks, chart.row_ticks):
        assert 1 <= len(ticks) <= 7 or seconds > 500000
        assert all(LEFT <= tick.x <= WIDTH for tick in ticks)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_stays_inside_the_drawing(name):
    chart = chart_of(sample(name))
    assert all(row.x >= LEFT and row.x + row.width <= LEFT + AREA + 0.01 for row in chart.rows)
    assert all(row.y + 20 < chart.height for row in chart.rows)
