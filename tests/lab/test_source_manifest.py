"""A restored database prints the manifest of its backup line for line, and every single damage shows by its name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.source_cluster import FIXTURES, Source, clusters, manifest

pytestmark = pytest.mark.lab

# What damage.sql does, told by the lines that must differ: (kind of line, kind of object, name).
DAMAGED = {
    *[("table", "", f"public.{name}") for name in (
        "swapped", "duplicates", "numerics", "floats", "bigints", "moments", "padded", "caseless_text",
        "caseless_words", "documents", "nulls", "shifted", "types", "zero", "empty", "unlogged", "parted_high",
        "child", "dropped_column", "missing", "extra")],
    ("table", "", "Odd Schema.Table With 'quotes' \"and\" 空格"),
    ("table", "", "app.cases"),
    ("large_objects", "", ""),
    ("sequence", "", "app.cases_id_seq"),
    ("object", "FUNCTION", "public.f(integer)"),
    ("object", "TRIGGER", "public.swapped watched"),
    ("object", "INDEX", "app.cases_title"),
    ("object", "POLICY", "public.duplicates only_one"),
    ("object", "VIEW", "app.chosen"),
    ("object", "COMMENT", "app.TABLE cases"),
    ("object", "ACL", "app.COLUMN cases.title"),
    ("object", "SCHEMA", ".Odd Schema"),
    ("object", "DEFAULT ACL", "app.DEFAULT PRIVILEGES FOR TABLES"),
    ("object", "TABLE", "public.missing"),
    ("object", "TABLE", "public.extra"),
    ("role", "", "login1"),
    ("role", "", "member1"),
    ("role", "", "app_owner"),
    ("object", "DATABASE SETTING", ".* statement_timeout"),
    ("object", "DATABASE SETTING", ".app_owner search_path"),
    ("object", "DATABASE ACL", ".App Reader"),
    ("object", "DATABASE", ".comment"),
    ("extension", "", "amcheck"),
}  # fmt: skip


def by_name(lines: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    found = {}
    for line in lines:
        name = f"{line['schema']}.{line['name']}" if "schema" in line else line.get("name", "")
        key = (line["t"], line.get("kind", ""), name)
        assert key not in found
        found[key] = {name: value for name, value in line.items() if name not in ("bytes_estimate", "snapshot_at")}
    return found


@pytest.fixture(scope="module")
def world(lab):
    """Return (the answer of a dump, the restored cluster)."""
    with clusters(f"yunwei-{lab.slot}-db1", "original", "restored") as (original, restored):
        original.psql((FIXTURES / "odd_database.sql").read_text(encoding="utf-8"))
        heard = Source(original).run("dump odd")
        assert heard.failure is None
        assert heard.code == 0
        restored.restore(heard)
        yield heard, original, restored


def test_a_restored_database_has_the_manifest_of_its_backup(world):
    heard, _, restored = world
    backup = by_name([line for line in heard.lines if line["t"] != "globals"])
    assert by_name(manifest(restored, "odd")) == backup


def test_the_manifest_says_what_it_is(world):
    heard, _, _ = world
    lines = by_name([line for line in heard.lines if line["t"] != "globals"])
    database = lines["database", "", "odd"]
    assert (database["relation"], database["digest"], database["engine"]) == (
        "same_snapshot",
        "record/v1",
        "postgresql",
    )
    assert database["tool_version"].startswith("pg_dump (PostgreSQL) 15.")
    assert lines["large_objects", "", ""]["rows"] == 3
    assert lines["table", "", "public.duplicates"]["rows"] == 3
    assert lines["sequence", "", "public.downwards"]["increment"] == -1
    assert lines["sequence", "", "app.cases_id_seq"]["column_max"] == 2000
    assert lines["skipped", "", "public.counted"]["reason"].startswith("materialized view")
    assert ("role", "", "stranger") not in lines
    assert lines["role", "", "login1"]["member_of"] == ["App Reader"]
    assert "SCRAM-SHA-256" not in str(lines)
    assert ("object", "TABLE", "public.trap") in lines  # text in a function's body: compared on both sides alike


@pytest.mark.parametrize("method", ["hashtext/v1", "md5/v1"])
def test_older_methods_agree_on_both_sides_too(world, method):
    _, original, restored = world
    ours, theirs = (manifest(side, "odd", "--digest", method) for side in (original, restored))
    assert by_name(ours) == by_name(theirs)
    assert by_name(ours)["database", "", "odd"]["digest"] == method


def test_one_table_can_be_asked_for(world):
    _, _, restored = world
    lines = manifest(restored, "odd", "--table", "Odd Schema", "Table With 'quotes' \"and\" 空格")
    assert [(line["t"], line["rows"]) for line in lines] == [("table", 1)]


def test_an_absent_database_is_an_error_not_an_empty_manifest(world):
    _, _, restored = world
    with pytest.raises(AssertionError, match="nowhere"):
        manifest(restored, "nowhere")


@pytest.mark.parametrize("method", ["record/v1", "hashtext/v1", "md5/v1"])
def test_every_damage_shows_by_its_own_name_and_nothing_else(world, method):
    _, original, restored = world
    before = by_name(manifest(original, "odd", "--digest", method))
    if method == "record/v1":  # the damage is done once, in the first of the three
        restored.psql((FIXTURES / "damage.sql").read_text(encoding="utf-8"), "odd")
    after = by_name(manifest(restored, "odd", "--digest", method))
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} == DAMAGED
