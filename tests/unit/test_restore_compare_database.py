"""What makes a restored database equal to its manifest."""

import copy

import pytest
from yunwei_restore import compare_database

LINES = [
    {"t": "database", "name": "m", "engine": "postgresql", "encoding": "UTF8", "collate": "C", "ctype": "C",
     "digest": "record/v1"},
    {"t": "table", "schema": "案件", "name": "Case File", "rows": 7, "digest": "70"},
    {"t": "table", "schema": "public", "name": "empty", "rows": 0, "digest": None},
    {"t": "large_objects", "rows": 2, "digest": "5"},
    {"t": "object", "kind": "TABLE", "schema": "public", "name": "empty", "sha256": "aa"},
    {"t": "extension", "name": "citext", "version": "1.6"},
    {"t": "sequence", "schema": "public", "name": "s", "before": [5, True], "after": [9, True], "table": "public.empty",
     "column": "id", "column_max": 6},
    {"t": "role", "name": "app", "attributes": {"rolcanlogin": True}, "member_of": ["reader"]},
]  # fmt: skip


def restored(**changes):
    lines = copy.deepcopy(LINES)
    lines[6].update(before=[7, True], after=[7, True])
    for line in lines:
        line.update(changes.get(line["t"], {}))
    return lines


def differences(found, kind, expected=LINES):
    tally = compare_database.compare(expected, found)[kind]
    return tally.differences


def test_equal_lines_are_equal():
    tallies = compare_database.compare(LINES, restored())
    told = {kind: (tally.expected, tally.equal, tally.differences) for kind, tally in tallies.items()}
    assert told == {
        "tables": (3, 3, []),
        "objects": (8, 8, []),
        "sequences": (1, 1, []),
        "roles": (1, 1, []),
    }
    assert tallies["tables"].as_dict()["rows"] == 9


def test_a_missing_table_is_named():
    found = [line for line in restored() if line.get("name") != "Case File"]
    assert differences(found, "tables") == [
        {"object": "案件.Case File", "expected": {"rows": 7, "digest": "70"}, "found": None}
    ]


def test_one_changed_row_is_named_by_its_table():
    found = restored()
    found[1]["digest"] = "71"
    assert [one["object"] for one in differences(found, "tables")] == ["案件.Case File"]


def test_a_table_too_many_is_a_difference():
    found = [*restored(), {"t": "table", "schema": "public", "name": "extra", "rows": 1, "digest": "1"}]
    tally = compare_database.compare(LINES, found)["tables"]
    assert (tally.expected, tally.equal, tally.different) == (3, 3, 1)
    assert tally.differences[0]["object"] == "public.extra"


def test_digests_of_different_methods_prove_nothing():
    assert len(differences(restored(database={"digest": "md5/v1"}), "tables")) == 3


def test_large_objects_extensions_definitions_and_the_database_itself_are_compared():
    assert [one["object"] for one in differences(restored(large_objects={"rows": 1}), "tables")] == ["large objects"]
    assert [one["object"] for one in differences(restored(extension={"version": "1.4"}), "objects")] == [
        "extension citext"
    ]
    assert [one["object"] for one in differences(restored(object={"sha256": "bb"}), "objects")] == [
        "table public.empty"
    ]
    assert [one["object"] for one in differences(restored(database={"encoding": "SQL_ASCII"}), "objects")] == [
        "database encoding"
    ]


@pytest.mark.parametrize(
    ("value", "right"),
    [([5, True], False), ([6, False], False), ([6, True], True), ([9, True], True), ([10, False], False),
     ([10, True], False), ([4, True], False), ([7, False], True)],
)  # fmt: skip
def test_a_sequence_lies_in_its_interval_and_above_its_column(value, right):
    found = restored(sequence={"after": value})
    assert (differences(found, "sequences") == []) == right


@pytest.mark.parametrize(("value", "right"), [([-7, True], True), ([-5, True], False), ([-4, True], False)])
def test_a_sequence_that_counts_down_lies_below_its_column(value, right):
    line = {"before": [-5, True], "after": [-9, True], "column_max": -6, "increment": -1}
    expected = restored(sequence=line)
    assert (differences(restored(sequence={"after": value}), "sequences", expected) == []) == right


@pytest.mark.parametrize(("value", "right"), [([99, True], True), ([2, True], True), ([50, True], False)])
def test_a_sequence_that_cycles_may_have_begun_again(value, right):
    expected = restored(sequence={"before": [98, True], "after": [3, True], "cycle": True, "column_max": 99})
    assert (differences(restored(sequence={"after": value}), "sequences", expected) == []) == right


def test_two_lines_of_one_name_do_not_hide_each_other():
    twice = [*LINES, dict(LINES[4], sha256="cc")]
    assert [one["object"] for one in differences(restored(), "objects", twice)] == ["table public.empty (2)"]


def test_a_missing_role_and_a_lost_membership_are_named():
    found = [line for line in restored() if line["t"] != "role"]
    assert differences(found, "roles")[0]["object"] == "role app"
    assert differences(restored(role={"member_of": []}), "roles")[0]["object"] == "role app"
    extra = [*restored(), {"t": "role", "name": "intruder", "attributes": {}, "member_of": []}]
    assert differences(extra, "roles")[0]["object"] == "role intruder"
    assert compare_database.compare(LINES, extra, ignore_roles=["intruder"])["roles"].different == 0
