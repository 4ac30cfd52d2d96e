"""The source program's pure parts: tar headers, digest expressions, schema blocks."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import itertools
import os
import tarfile
import threading
from types import ModuleType

import pytest
import source_runner
from yunwei_host import frames, logwalk, names

from yunwei.policy import logs


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("yunwei_source", source_runner.PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


source = _load()


def test_policy_host_and_source_keep_off_the_same_data():
    assert set(source.LogPlace.PROTECTED) == set(logwalk.PROTECTED) == logs.PROTECTED


def test_names_are_encoded_the_same_on_both_sides():
    for raw in [bytes([code]) for code in range(256)] + [bytes(range(256)), "人民/调解".encode(), b""]:
        assert source.encode_name(raw) == names.encode_name(raw)


NAMES = [b"short", b"n" * 100, b"n" * 101, b"d/" * 2000 + b"f", b"\xff" * 150]
LINKS = [b"", b"l" * 99, b"l" * 300]
NUMBERS = [(0, 0, 0), (8**11 - 1, 65534, -5), (8**11, 2**21, 2**34), (10**13, 2**31 + 5, 1)]


@pytest.mark.parametrize(("size", "owner", "mtime"), NUMBERS)
def test_headers_are_read_by_another_implementation(size, owner, mtime):
    for name, link in itertools.product(NAMES, LINKS):
        kind, fields = b"2" if link else b"0", (0o4755, owner, owner, 0 if link else size, mtime, b"user", b"group", 0)
        raw = source.tar_header(kind, name, link, fields)
        with tarfile.open(fileobj=io.BytesIO(raw + b"\0" * 1024)) as tar:
            member = tar.next()
        assert member
        assert (member.name.encode(errors="surrogateescape"), member.linkname.encode()) == (name, link)
        assert (member.size, member.uid, member.gid, member.mode) == (fields[3], owner, owner, 0o4755)
        assert (member.mtime, member.uname, member.gname) == (mtime, "user", "group")
        assert len(raw) % 512 == 0


@pytest.mark.parametrize(
    ("version", "method"),
    [(90624, "md5/v1"), (100023, "md5/v1"), (110022, "hashtext/v1"), (130014, "hashtext/v1"),
     (140000, "record/v1"), (150018, "record/v1"), (170002, "record/v1")],
)  # fmt: skip
def test_the_method_follows_the_server(version, method):
    assert source.digest_method(version) == method


def test_every_column_enters_the_digest_once():
    columns = [("r.a", "int4"), ("r.b", "numeric"), ("r.c", ""), ("r.d", "text"), ("r.e", "jsonb"), ("r.f", "int8")]
    expression = source.row_digest("record/v1", columns)
    for name, _ in columns:
        assert expression.count(name) == 1
    assert 'ROW(r.c, r.e)::text COLLATE "C"' in expression
    assert 'r.d COLLATE "C"' in expression
    assert "int8send(r.f)" in expression
    assert "numeric_send(r.b)" in expression


def test_coarse_types_never_enter_by_their_own_hash():
    """1.0 equals 1.00, -0 equals 0, and 64-bit hashes fold -1 and 4294967295 together."""
    for kind in ("int8", "numeric", "float4", "float8", "timestamp", "timestamptz", "time"):
        assert source.NATIVE_TYPES[kind] != "%s"
    for kind in ("bpchar", "citext", "json", "jsonb", "xml", "interval", "timetz", "name", "inet", "_int4", "point"):
        assert kind not in source.NATIVE_TYPES


@pytest.mark.parametrize("method", ["record/v1", "hashtext/v1", "md5/v1"])
def test_a_table_without_columns_counts_only(method):
    assert source.row_digest(method, []) == "0"


DUMP = """--
-- PostgreSQL database dump
--

\\restrict abc

SET default_tablespace = '';

--
-- Name: f(integer); Type: FUNCTION; Schema: app; Owner: postgres
--

CREATE FUNCTION app.f(a integer) RETURNS integer
    LANGUAGE sql AS $$ SELECT a $$;

SET default_tablespace = fast;

SET default_table_access_method = heap;

--
-- Name: odd; Type: x"; Type: TABLE; Schema: app; Owner: postgres; Tablespace: fast
--

CREATE TABLE app."odd; Type: x" (
    st character varying(9),
    CONSTRAINT c CHECK (((st)::text = ANY ((ARRAY['a'::character varying, 'b''c'::character varying])::text[])))
);

--
-- Name: TABLE odd; Type: COMMENT; Schema: -; Owner: postgres
--

COMMENT ON TABLE x IS 'y';

--
-- PostgreSQL database dump complete
--

\\unrestrict abc
"""
AS_RESTORED = (
    DUMP.replace("abc", "xyz")
    .replace("SET default_tablespace = fast;\n\n", "")
    .replace("(ARRAY['a'::character varying, 'b''c'::character varying])::text[]",
             "ARRAY[('a'::character varying)::text, ('b''c'::character varying)::text]")
)  # fmt: skip


def _objects(dump: str) -> dict[tuple[str, str, str], str]:
    return {(kind, schema, name): digest for kind, schema, name, digest in source.schema_objects(dump)}


def test_schema_blocks_get_their_kind_schema_and_name():
    assert set(_objects(DUMP)) == {
        ("FUNCTION", "app", "f(integer)"),
        ("TABLE", "app", 'odd; Type: x"'),
        ("COMMENT", "", "TABLE odd"),
    }


def test_what_a_restore_prints_differently_is_the_same_object():
    assert DUMP != AS_RESTORED
    assert _objects(DUMP) == _objects(AS_RESTORED)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [("SELECT a", "SELECT a + 1", "f(integer)"), ("'b''c'", "'bc'", 'odd; Type: x"'), ("'y'", "'z'", "TABLE odd"),
     ("Schema: -; Owner: postgres", "Schema: -; Owner: other", "TABLE odd")],
)  # fmt: skip
def test_any_other_difference_is_one(old, new, changed):
    before, after = _objects(DUMP), _objects(DUMP.replace(old, new))
    assert [name for (kind, schema, name), digest in before.items() if after[kind, schema, name] != digest] == [changed]


def test_two_blocks_of_one_name_hide_nothing():
    block = DUMP[DUMP.index("--\n-- Name: TABLE odd") : DUMP.index("--\n-- PostgreSQL database dump complete")]
    assert _objects(DUMP + block) != _objects(DUMP)
    assert len(_objects(DUMP + block)) == len(_objects(DUMP))


def test_the_tree_of_tools_is_searched_for_the_servers_version(tmp_path, monkeypatch):
    monkeypatch.setattr(source.glob, "glob", lambda pattern: [str(tmp_path / v / "bin") for v in ("9.6", "15", "13")]
                        if "lib" in pattern else [])  # fmt: skip
    for version in ("9.6", "13", "15"):
        (tmp_path / version / "bin").mkdir(parents=True)
        for tool in ("psql", "pg_dump"):
            (tmp_path / version / "bin" / tool).touch(0o755)
    assert source.find_tool("pg_dump", "13") == f"{tmp_path}/13/bin/pg_dump"
    assert source.find_tool("pg_dump", "9.6") == f"{tmp_path}/9.6/bin/pg_dump"
    assert source.find_tool("psql", "") == f"{tmp_path}/15/bin/psql"


def test_the_program_is_for_old_hosts():
    text = source_runner.PROGRAM.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/python3\n")
    assert hashlib.sha256(text.encode()).hexdigest()
    assert text.isascii()


def test_a_fault_is_told_though_another_thread_is_inside_a_frame():
    """A listener that takes bytes again after a while hears why the answer ended, not only that it was cut."""
    reading, writing = os.pipe()
    answer = source.Answer(writing)
    answer.open("dump", "mediation")
    sender = threading.Thread(target=answer.data, args=(b"x" * source.BLOCK,))
    sender.start()  # the pipe is too small for it
    while source.select.select([], [writing], [], 0)[1]:
        pass
    failing = threading.Thread(target=answer.fail, args=(source.Fault("here", "because", "go on"),))
    failing.start()
    failing.join(0.2)  # one that gives up at once has ended by then
    with pytest.raises(frames.SourceFailedError, match="because"):
        list(frames.read_frames(reading, frames.Limits(idle_seconds=10)))
    sender.join()
    failing.join()
    os.close(writing)
    os.close(reading)
