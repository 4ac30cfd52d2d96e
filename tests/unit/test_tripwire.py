"""What the tripwire finds, and what it must not mistake for a loss."""

import tracemalloc

import pytest
from yunwei_host.tripwire import FileChanges, NotCompared, TableChanges, judge, learned, open_trips, stored, table_key

RULES = {
    "table_rows_percent": 30,
    "all_rows_percent": 20,
    "tables_gone": 0,
    "minimum_rows": 1000,
    "files_percent": 30,
    "minimum_files": 50,
    "rewritten_points": 40,
    "minimum_bytes": 1000,
    "hold": 3,
}


def rules_of(findings):
    return [finding["rule"] for finding in findings]


def tables(before, after, **rules):
    """Compare {name: rows}; a table's digest is told by its rows alone."""
    former = {table_key({"schema": "s", "name": name}): (rows, f"d{rows}") for name, rows in before.items()}
    changes = TableChanges(former)
    for name, rows in after.items():
        changes.take({"t": "table", "schema": "s", "name": name, "rows": rows, "digest": f"d{rows}"})
    changes.take({"t": "globals", "sql": ""})
    return changes.findings({**RULES, **rules})


BIG = {"big": 1_000_000}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({**BIG, "cases": 5000}, {**BIG, "cases": 3499}, ["table_rows_percent"]),
        ({**BIG, "cases": 5000}, {**BIG, "cases": 3500}, []),
        ({**BIG, "small": 999}, {**BIG, "small": 0}, []),
        ({**BIG, "cases": 5000}, BIG, ["tables_gone"]),
        ({**BIG, "small": 999}, BIG, []),
        ({**BIG, "cases": 5000}, {**BIG, "renamed": 5000}, []),
        ({**BIG, "cases": 5000}, {**BIG, "renamed": 5001}, ["tables_gone"]),
        (BIG, {"big": 799_999}, ["all_rows_percent"]),
        (BIG, {"big": 800_000}, []),
        ({f"t{number}": 900 for number in range(10)}, {}, ["all_rows_percent"]),
        (BIG, {"big": 1_000_000, "new": 9_000_000}, []),
        (BIG, {"big": 0}, ["all_rows_percent", "table_rows_percent"]),
        ({}, {}, []),
    ],
)
def test_rows_and_tables_that_vanished(before, after, expected):
    assert rules_of(tables(before, after)) == expected


def test_a_finding_says_what_was_found_and_what_is_allowed():
    (finding,) = tables({**BIG, "cas\x1b[31mes": 5000}, {**BIG, "cas\x1b[31mes": 50})
    assert finding["text"] == "4950 of 5000 (99.0 %; policy allows 30 %) rows of table s.cases vanished"
    (finding,) = tables({**BIG, "b": 1001, "a": 5000}, BIG)
    assert finding["text"] == "2 tables are gone (s.a of 5000 rows, s.b of 1001 rows; policy allows 0)"


def test_limits_come_from_policy():
    assert tables(BIG, {"big": 1}, table_rows_percent=100, all_rows_percent=100) == []
    assert tables({**BIG, "a": 2000, "b": 2000}, BIG, tables_gone=2) == []


def test_names_of_a_stranger_need_not_be_texts():
    changes = TableChanges({("s", "t"): (5000, "d")})
    changes.take({"t": "table", "schema": [], "name": {}, "rows": 1, "digest": []})
    assert rules_of(changes.findings(RULES)) == ["tables_gone", "all_rows_percent"]


def files(before, after, **rules):
    """Compare {path: content}."""
    changes = FileChanges({path: ("payload", content) for path, content in before.items()})
    for path, content in after.items():
        changes.take({"t": "file", "p": path, "k": "f", "sha256": content})
    changes.take({"t": "note", "p": "/x", "reason": "y"})
    return changes.findings({**RULES, **rules})


TREE = {f"/srv/{number:03}": f"content {number}" for number in range(100)}


def test_files_whose_content_is_gone():
    encrypted = {path: "x" + content for path, content in TREE.items()}
    (finding,) = files(TREE, encrypted)
    share = "100 of 100 (100.0 %; policy allows 30 %)"
    assert finding["text"] == f"the content of {share} files is gone: 100 changed, 0 removed, such as /srv/000"
    (finding,) = files(TREE, {path + ".locked": content for path, content in encrypted.items()})
    assert "0 changed, 100 removed" in finding["text"]
    (finding,) = files(TREE, dict(list(TREE.items())[31:]))
    assert "31 of 100" in finding["text"]


@pytest.mark.parametrize(
    "after",
    [
        TREE,
        {**TREE, **{f"/new/{number}": f"new {number}" for number in range(500)}},
        {path.replace("/srv", "/moved"): content for path, content in TREE.items()},
        {f"/srv/{number:03}": f"content {number + 1}" for number in range(100)},
        dict(list(TREE.items())[30:]),
        {**TREE, **{f"/srv/{number:03}": "changed" for number in range(30)}},
    ],
    ids=["unchanged", "grown", "renamed", "rotated", "some removed", "some changed"],
)
def test_files_that_are_still_there_in_some_place_are_not_gone(after):
    assert files(TREE, after) == []


def test_small_sets_are_not_judged_by_files():
    few = dict(list(TREE.items())[:49])
    assert files(few, {}) == []
    assert rules_of(files(few, {}, minimum_files=49)) == ["files_percent"]


def past(*shares, **more):
    return [{"record_id": f"{number:064x}", "stored": {"rewritten_percent": share, "bytes": 1000}, **more}
            for number, share in enumerate(shares)]  # fmt: skip


def rewritten(share, *shares, size=1000):
    found = {"bytes": size, "new_bytes": 0, "rewritten_percent": share}
    return rules_of(judge(TableChanges({}), found, past(*shares), None, RULES)["findings"])


def test_bytes_rewritten_far_beyond_what_is_usual():
    assert rewritten(90.0, 1, 2, 3, 4, 5) == ["rewritten_points"]
    assert rewritten(45.0, 1, 2, 3, 4, 5) == []
    assert rewritten(90.0, 1, 2, 3, 4) == [], "too few to know what is usual"
    assert rewritten(90.0, None, 1, 2, 3, 4) == []
    assert rewritten(90.0, 60, 1, 1, 1, 1, 1) == [], "one busy day is usual"
    assert rewritten(90.0, 60, *[1] * 14) == ["rewritten_points"]
    assert rewritten(90.0, 1, 2, 3, 4, 5, size=999) == []
    assert rewritten(None, 1, 2, 3, 4, 5) == []


def test_growth_is_not_rewritten():
    former = past(0)[0]
    assert stored(5000, 6000, former)["rewritten_percent"] == 0.0
    assert stored(900, 1000, former)["rewritten_percent"] == 90.0
    assert stored(2500, 2000, former)["rewritten_percent"] == 75.0
    assert stored(300, 500, former)["rewritten_percent"] == 60.0
    assert stored(1010, 1000, former)["rewritten_percent"] == 100.0, "the archive's own bytes are not the files'"
    assert stored(900, 1000, None)["rewritten_percent"] is None
    assert stored(900, 1000, {"record_id": "of an older version"})["rewritten_percent"] is None
    assert stored(0, 0, former)["rewritten_percent"] is None


def test_the_last_good_ones_are_held_and_what_is_told_has_an_end():
    found = {"bytes": 0, "new_bytes": 0, "rewritten_percent": None}
    history = past(1, 2, 3, 4)
    changes = TableChanges({("s", f"t{number}"): (5000, "d") for number in range(40)})
    for number in range(40):
        changes.take({"t": "table", "schema": "s", "name": f"t{number}", "rows": 1, "digest": ""})
    judged = judge(changes, found, history, history[-1], RULES)
    assert judged["holds"] == [record["record_id"] for record in history[1:]]
    assert judged["compared_with"] == history[-1]["record_id"]
    assert len(judged["findings"]) == 11
    assert judged["findings"][-1]["text"] == "31 more findings"
    assert learned(judged) == judged
    assert judge(TableChanges({}), found, history, history[-1], RULES)["holds"] == []


def test_a_manifest_that_cannot_be_read_is_a_finding():
    record = past(1)[0]
    (finding,) = NotCompared(record, "disk error").findings(RULES)
    assert finding["text"] == "the manifest of record 000000000000 before it cannot be read: disk error"


def test_a_release_names_item_and_record():
    trip = {"record_id": "ab" * 32, "first_id": "cd" * 32, "item": "files:app", "tripwire": {"findings": [{}]}}
    calm = {"record_id": "ef" * 32, "item": "files:app", "tripwire": {"findings": []}}
    records = [trip, calm, {"record_id": "01" * 32, "item": "files:app"}]
    assert open_trips(records, []) == [trip]
    assert open_trips(records, [{"item": "files:app", "record": "abababab"}]) == []
    assert open_trips(records, [{"item": "files:app", "record": "cdcdcdcd"}]) == []
    assert open_trips(records, [{"item": "files:other", "record": "abababab"}]) == [trip]
    assert open_trips(records, [{"item": "files:app", "record": "efefefef"}]) == [trip]


@pytest.mark.parametrize(
    "value",
    [
        {"findings": []},
        {"findings": [{}], "holds": []},
        {"findings": 1, "holds": []},
        {"findings": ["text"], "holds": []},
        {"findings": [], "holds": ["a"] * 101},
        ["findings"],
        "findings",
    ],
    ids=str,
)
def test_what_another_site_wrote_is_refused_when_it_is_no_finding(value):
    with pytest.raises((ValueError, KeyError, TypeError)):
        learned(value)


def test_what_another_site_wrote_is_safe_to_show():
    value = {"findings": [{"rule": "r", "text": "a\x1b[31mb"}], "holds": []}
    assert learned(value)["findings"] == [{"rule": "r", "text": "ab"}]
    assert learned(None) is None


def test_comparing_files_holds_little_beside_the_baseline():
    """Several hundred thousand files must not need several hundred megabytes."""
    count = 100_000
    former = {f"/srv/some/folder/{number}": ("payload", f"{number:064x}") for number in range(count)}
    tracemalloc.start()
    try:
        changes = FileChanges(former)
        for number in range(count):
            changes.take({"t": "file", "p": f"/srv/some/folder/{number}", "k": "f", "sha256": f"{number:064x}"})
        changes.findings(RULES)
        assert tracemalloc.get_traced_memory()[1] < 200 * count
    finally:
        tracemalloc.stop()


def test_comparing_tables_holds_nothing_of_the_new_ones():
    """A source may name tables without end."""
    changes = TableChanges({("s", f"t{number}"): (5000, f"{number:064x}") for number in range(10)})
    tracemalloc.start()
    try:
        for number in range(10, 20_010):
            changes.take({"t": "table", "schema": "s", "name": f"n{number}", "rows": 5000, "digest": f"{number:064x}"})
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert rules_of(changes.findings(RULES)) == ["tables_gone", "all_rows_percent"]
