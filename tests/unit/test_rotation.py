"""Which part of a repository is read next."""

import pytest
from yunwei_host.faults import FaultError
from yunwei_host.rotation import choose_part, demand_part


@pytest.mark.parametrize(
    ("reads", "chosen"),
    [
        ({}, "1/3"),
        ({"1/3": "2026-01-01"}, "2/3"),
        ({"1/3": "2026-01-03", "2/3": "2026-01-01", "3/3": "2026-01-02"}, "2/3"),
        ({"1/3": "2026-01-03", "2/3": "2026-01-01", "3/3": "2026-01-02", "all": "2026-02-01"}, "1/3"),
        ({"1/3": "2026-01-03", "all": "2026-01-02"}, "2/3"),
        ({"1/2": "2026-01-03"}, "1/3"),
    ],
)
def test_the_next_part_is_the_one_that_was_read_longest_ago(reads, chosen):
    assert choose_part("next/3", reads) == chosen


@pytest.mark.parametrize("part", ["2/3", "all"])
def test_a_part_that_is_named_is_the_one_that_is_read(part):
    assert choose_part(part, {}) == part


def test_a_turn_that_was_missed_delays_no_other_and_every_turn_reads_another_part():
    reads = {}
    for day in range(12):
        reads[choose_part("next/12", reads)] = f"2026-01-{day:02}"
    assert set(reads) == {f"{number}/12" for number in range(1, 13)}


@pytest.mark.parametrize("part", ["1/12", "12/12", "all", "next/12", "256/256"])
def test_parts_that_are_known(part):
    demand_part(part)


@pytest.mark.parametrize("part", ["0/3", "4", "4/3", "1/257", "next", "next/0", "next/257", "1/2;rm", "-1/2", "ALL"])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(FaultError, match="allowed are n/t"):
        demand_part(part)
