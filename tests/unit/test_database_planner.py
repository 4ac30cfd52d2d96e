"""Facts and limits in, steps out: what needs upkeep, in which order, and what is left to a person."""

from __future__ import annotations

from typing import Any

import pytest
from yunwei_database import bloat, planner, postgresql_facts

from tests.postgres import MAINTENANCE as LIMITS

SERVER = {"freeze_max_age": 200_000_000, "multixact_freeze_max_age": 400_000_000, "rebuilds_online": True}


def table(name: str = "public.t", **changes: Any) -> dict[str, Any]:
    plain = {"number": 1, "name": name, "kind": "r", "live": 100_000, "dead": 0, "changed": 0, "age": 0,
             "multixact_age": 0, "vacuumed": None, "analyzed": 1, "may": True, "held": False}  # fmt: skip
    return {**plain, "catalog": False, **changes}


def index(name: str = "public.i", **changes: Any) -> dict[str, Any]:
    plain = {"number": 2, "name": name, "table_number": 1, "table_name": "public.t", "table_kind": "r",
             "valid": True, "exclusion": False, "constraint": False, "definition": name, "may": True,
             "tablespace": 0, "bytes": 10**8, "wanted": 10**8, "known_by": "estimated"}  # fmt: skip
    return {**plain, **changes}


def of_tables(*tables: dict[str, Any]) -> list[tuple[str, str]]:
    steps = planner.plan_tables({"server": SERVER, "tables": list(tables)}, LIMITS)
    return [(step["do"], step["target"]) for step in steps]


def of_indexes(*indexes: dict[str, Any], **server: Any) -> list[dict[str, Any]]:
    return planner.plan_indexes({"server": {**SERVER, **server}, "indexes": list(indexes)}, LIMITS)


@pytest.mark.parametrize(
    ("changes", "do"),
    [
        ({"dead": 9_999}, None),
        ({"dead": 10_000}, "vacuum"),
        ({"live": 10, "dead": 999}, None),
        ({"live": 10, "dead": 1000}, "vacuum"),
        ({"changed": 9_999}, None),
        ({"changed": 10_000}, "analyze"),
        ({"analyzed": None}, "analyze"),
        ({"analyzed": None, "live": 999}, None),
        ({"age": 149_999_999}, None),
        ({"age": 150_000_000}, "freeze"),
        ({"multixact_age": 300_000_000}, "freeze"),
        ({"age": 150_000_000, "dead": 50_000}, "freeze"),
        ({"catalog": True, "dead": 50_000, "changed": 50_000}, None),
        ({"catalog": True, "age": 150_000_000}, "freeze"),
        ({"dead": 50_000, "may": False}, "leave"),
        ({"dead": 50_000, "held": True}, "leave"),
    ],
)
def test_a_table_gets_what_its_figures_ask_for_and_nothing_else(changes, do):
    assert [step for step, _ in of_tables(table(**changes))] == ([do] if do else [])


def test_one_statement_does_what_one_table_needs():
    (step,) = planner.plan_tables({"server": SERVER, "tables": [table(dead=50_000, changed=50_000)]}, LIMITS)
    assert (step["do"], step["analyze"]) == ("vacuum", True)
    assert "50000 dead rows beside 100000, 50000 rows changed" in step["why"]


def test_the_urgent_comes_first_and_then_the_most():
    found = of_tables(
        table("a", changed=50_000),
        table("b", dead=20_000),
        table("c", dead=90_000),
        table("d", age=160_000_000),
        table("e", age=190_000_000),
    )
    assert found == [("freeze", "e"), ("freeze", "d"), ("vacuum", "c"), ("vacuum", "b"), ("analyze", "a")]


@pytest.mark.parametrize(
    ("changes", "do"),
    [
        ({}, None),
        ({"wanted": 71_000_000}, None),
        ({"wanted": 70_000_000}, "rebuild"),
        ({"bytes": 6_000_000, "wanted": 4_000_000}, None),
        ({"wanted": None}, None),
        ({"wanted": 10_000_000, "exclusion": True}, "leave"),
        ({"wanted": 10_000_000, "may": False}, "leave"),
    ],
)
def test_an_index_is_rebuilt_where_it_is_mostly_waste(changes, do):
    assert [step["do"] for step in of_indexes(index(**changes))] == ([do] if do else [])


@pytest.mark.parametrize(
    ("changes", "dead", "measure"),
    [({}, 0, True), ({"known_by": "remembered"}, 0, False), ({}, 50_000, False), ({"table_number": 7}, 50_000, True)],
)
def test_an_estimate_is_measured_first_unless_dead_rows_would_count_as_used(changes, dead, measure):
    facts = {"server": SERVER, "tables": [table(dead=dead)], "indexes": [index(wanted=10**7, **changes)]}
    assert [step["measure"] for step in planner.plan_indexes(facts, LIMITS)] == [measure]


def test_before_version_12_nothing_is_rebuilt():
    (step,) = of_indexes(index(wanted=1), rebuilds_online=False)
    assert step["do"] == "leave"
    assert "version before 12" in step["why"]


def test_a_rebuild_says_how_much_room_it_needs():
    limits = {**LIMITS, "reserve_bytes": 7}
    (step,) = planner.plan_indexes({"server": SERVER, "indexes": [index(wanted=10**7)]}, limits)
    assert step["space"] == 10**7 + 7


@pytest.mark.parametrize(
    ("changes", "do"),
    [
        ({}, "remove"),
        ({"definition": "another"}, "leave"),
        ({"constraint": True}, "leave"),
        ({"may": False}, "leave"),
    ],
)
def test_only_an_invalid_index_with_a_valid_twin_is_removed(changes, do):
    leftover = index("public.i_ccnew", **{"valid": False, "definition": "public.i", **changes})
    assert [step["do"] for step in of_indexes(index(), leftover)] == [do]


def test_a_twin_that_is_invalid_as_well_proves_nothing():
    steps = of_indexes(index("a", valid=False, definition="d"), index("b", valid=False, definition="d"))
    assert [step["do"] for step in steps] == ["leave", "leave"]


def test_waste_is_never_below_nothing():
    assert bloat.waste_percent(100, 200) == 0
    assert bloat.waste_percent(0, 0) == 0
    assert bloat.waste_percent(200, 50) == 75


@pytest.mark.parametrize(
    ("tuples", "seen", "entries"),
    [
        (1000, {"live": 10, "analyzed": 1}, 10),
        (1000, {"live": 10, "vacuumed": 1}, 10),
        (7, {"live": 1000, "analyzed": 1}, 7),
        (1000, {"live": 0, "analyzed": 1}, 1000),
        (1000, {"live": 10}, 1000),
        (-1, {"live": 10, "analyzed": 1}, 10),
        (-1, {"live": 10}, None),
        (1000, None, 1000),
    ],
)
def test_rows_count_for_an_index_only_where_all_of_them_were_counted(tuples, seen, entries):
    tables = {1: {"vacuumed": None, "analyzed": None, **seen}} if seen else {}
    assert postgresql_facts.entries({"table_number": 1, "tuples": tuples}, tables) == entries


def test_what_was_remembered_grows_and_shrinks_with_the_rows():
    assert bloat.remembered(2000, 80_000, 1000) == 160_000
    assert bloat.remembered(500, 80_000, 1000) == 40_000


def test_an_estimate_is_that_of_a_real_index():
    # 100,000 md5 texts of 33 bytes on PostgreSQL 15: 5,931,008 bytes measured after REINDEX.
    assert bloat.estimate(100_000, 33.0, 0.0, 90, 8192) == pytest.approx(5_931_008, rel=0.02)


def test_pages_that_nobody_uses_are_waste():
    figures = {"bytes": 100 * 8192, "density": 90.0, "leaves": 49, "empty": 30, "deleted": 20}
    assert bloat.measured(figures, 8192) == 50 * 8192
    assert bloat.measured({**figures, "density": None, "leaves": 0}, 8192) == 50 * 8192
