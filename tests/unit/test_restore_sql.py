"""Reading role definitions out of a globals dump."""

import pytest
from yunwei_restore import globals_plan, sql
from yunwei_restore.errors import BadBackupError

GLOBALS = r"""
--
-- PostgreSQL database cluster dump
--
\restrict abcDEF123
SET default_transaction_read_only = off;
CREATE ROLE "A ""b"";c";
ALTER ROLE "A ""b"";c" WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:x;y''z';
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER;
CREATE ROLE reader;
COMMENT ON ROLE reader IS E'it\'s; --not a comment';
GRANT reader TO "A ""b"";c" GRANTED BY postgres;
ALTER ROLE reader SET search_path TO 'x', 'y';
"""


def test_cuts_a_script_into_statements_whatever_stands_in_names_and_strings():
    found = sql.statements(GLOBALS)
    assert len(found) == 9
    assert found[1] == 'CREATE ROLE "A "";c"'.replace('"";', '""b"";')
    assert found[6].endswith(r"--not a comment'")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("CREATE ROLE x", ("CREATE", "x")),
        ('ALTER ROLE "A b" WITH LOGIN', ("ALTER", "A b")),
        ("GRANT a TO b", ("GRANT", "a")),
        ("COMMENT ON ROLE x IS 'y'", ("COMMENT ON", "x")),
        ("ALTER SYSTEM SET x = 1", (None, None)),
        ("CREATE TABLE x ()", (None, None)),
    ],
)
def test_knows_the_role_of_a_statement(statement, expected):
    assert sql.role_of(statement) == expected


WANTED = {"postgres", "reader", 'A "b";c'}


def test_a_fresh_cluster_gets_everything_but_the_making_of_its_superuser():
    chosen = globals_plan.fresh(GLOBALS, "database:x", WANTED, "postgres")
    assert "CREATE ROLE postgres" not in chosen
    assert "ALTER ROLE postgres WITH SUPERUSER" in chosen
    assert len(chosen) == 8


def test_roles_of_other_systems_are_left_out():
    chosen = globals_plan.fresh(GLOBALS, "database:x", {"postgres", "reader"}, "postgres")
    assert not [one for one in chosen if 'A ""b""' in one]


def test_an_existing_role_is_left_as_it_is():
    assert globals_plan.plan(GLOBALS, "database:x", WANTED, WANTED) == ["SET default_transaction_read_only = off"]


def test_a_new_role_gets_its_membership_in_an_old_one():
    chosen = globals_plan.plan(GLOBALS, "database:x", WANTED, {"postgres", "reader"})
    assert [one for one in chosen if one.startswith("GRANT reader")]
    assert not [one for one in chosen if one.startswith("ALTER ROLE reader")]


def test_a_role_that_is_not_stored_is_named():
    with pytest.raises(BadBackupError, match="role lost: database:x needs it"):
        globals_plan.plan(GLOBALS, "database:x", {*WANTED, "lost"}, {"postgres"})


def test_anything_else_than_roles_is_refused():
    with pytest.raises(BadBackupError, match="DROP DATABASE"):
        globals_plan.plan("DROP DATABASE live;", "database:x", set(), set())


def test_a_command_of_psql_is_refused():
    with pytest.raises(BadBackupError, match="hold a command"):
        globals_plan.plan("CREATE ROLE x\n\\! touch /tmp/here\n;", "database:x", {"x"}, set())
    assert not sql.has_command(r"COMMENT ON ROLE x IS E'a\\b'")


def test_the_superuser_keeps_its_name():
    lines = [{"name": "zed", "attributes": {"superuser": True}}, {"name": "app", "attributes": {"superuser": False}}]
    assert globals_plan.superuser(lines) == "zed"
    assert globals_plan.superuser([*lines, {"name": "postgres", "attributes": {"superuser": True}}]) == "postgres"
    assert globals_plan.superuser([]) == "postgres"
