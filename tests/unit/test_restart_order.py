"""In which order hosts go down."""

from __future__ import annotations

import random

import pytest

from yunwei.errors import UsageError
from yunwei.restart.order import Candidate, make_batches


def hosts(**tiers: int) -> list[Candidate]:
    return [Candidate(name, {"shop": tier}) for name, tier in tiers.items()]


def test_nobody_no_batch():
    assert make_batches([], 3) == []


def test_the_application_goes_before_the_database_and_no_two_of_one_tier_together():
    assert make_batches(hosts(db1=1, app2=0, app1=0), 5) == [["app1"], ["app2"], ["db1"]]


def test_tiers_of_different_systems_go_together_after_the_canary():
    wanted = [
        Candidate(f"{kind}{number}", {f"s{number}": int(kind == "db")})
        for number in (1, 2, 3)
        for kind in ("app", "db")
    ]
    assert make_batches(wanted, 5) == [["app1"], ["app2", "app3", "db1"], ["db2", "db3"]]


def test_never_more_at_once_than_policy_allows():
    many = [Candidate(f"h{number:02}", {f"s{number}": 0}) for number in range(10)]
    assert [len(batch) for batch in make_batches(many, 3)] == [1, 3, 3, 3]


def test_policys_canary_goes_first_where_it_is_its_turn():
    two = [Candidate("a", {"x": 0}), Candidate("b", {"y": 0}), Candidate("z", {"y": 1})]
    assert make_batches(two, 3, "b")[0] == ["b"]
    assert make_batches(two, 3, "z")[0] == ["a"], "a database is no canary while its application waits"
    assert make_batches(two, 3, "gone")[0] == ["a"]


def test_the_standby_goes_before_its_primary():
    pair = [Candidate("db1", {"shop": 1}), Candidate("db2", {"shop": 1}, standby=True)]
    assert make_batches(pair, 5) == [["db2"], ["db1"]]


def test_a_host_of_two_systems_waits_for_both():
    shared = [Candidate("db1", {"x": 1, "y": 1}), Candidate("ax", {"x": 0}), Candidate("ay", {"y": 0})]
    assert make_batches(shared, 5) == [["ax"], ["ay"], ["db1"]]


def test_tiers_that_contradict_each_other_are_refused_by_name():
    circle = [Candidate("p", {"x": 0, "y": 1}), Candidate("q", {"x": 1, "y": 0})]
    with pytest.raises(UsageError, match=r"no order of p, q obeys.*\(x, y\)"):
        make_batches(circle, 2)


@pytest.mark.parametrize("seed", range(50))
def test_whatever_the_fleet_each_goes_down_once_and_every_rule_holds(seed: int):
    dice = random.Random(seed)  # noqa: S311 - fleets, not secrets
    wanted = [
        Candidate(f"h{number}", {f"s{dice.randrange(4)}": dice.randrange(3)}, dice.random() < 0.2)
        for number in range(20)
    ]
    batches = make_batches(wanted, 4)
    by_name = {one.host: one for one in wanted}
    assert sorted(name for batch in batches for name in batch) == sorted(by_name)
    seen: list[Candidate] = []
    for batch in batches:
        here = [by_name[name] for name in batch]
        places = [place for one in here for place in one.tiers.items()]
        assert len(batch) <= 4
        assert len(places) == len(set(places))
        later = [one for one in wanted if one not in seen and one not in here]
        for one in here:
            for other in later:
                for system in one.tiers.keys() & other.tiers.keys():
                    assert one.tiers[system] <= other.tiers[system]
        seen += here
