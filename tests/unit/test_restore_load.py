"""What a database program says decides whether the backup is bad or the host was in the way."""

import pytest
from yunwei_restore import load
from yunwei_restore.commands import CommandError

# Recorded from pg_restore 15.18.
ROLE = """pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 214; 1259 16423 TABLE Case File app
pg_restore: error: could not execute query: ERROR:  role "app" does not exist
Command was: ALTER TABLE ONLY "public"."Case File" OWNER TO app;
"""
EXTENSION = """pg_restore: from TOC entry 2; 3079 16390 EXTENSION citext (no owner)
pg_restore: error: could not execute query: ERROR:  extension "citext" is not available
DETAIL:  Could not open extension control file "/usr/share/postgresql/15/extension/citext.control": No such file.
"""
OLD_EXTENSION = 'pg_restore: [archiver (db)] ERROR:  could not open extension control file "/x/hstore.control"'
DUPLICATE = """pg_restore: from TOC entry 3210; 2606 16440 CONSTRAINT people people_pkey app
pg_restore: error: could not execute query: ERROR:  could not create unique index "people_pkey"
DETAIL:  Key (id)=(1) is duplicated.
"""
FULL = """pg_restore: from TOC entry 3200; 0 16400 TABLE DATA people app
pg_restore: error: COPY failed for table "people": ERROR:  could not extend file "base/1/2": No space left on device
HINT:  Check free disk space.
"""
CUT = "pg_restore: error: could not read from input file: end of file\n"
GONE = "pg_restore: error: could not execute query: server closed the connection unexpectedly\n"


@pytest.mark.parametrize(
    ("said", "verdict", "thing", "cause"),
    [
        (ROLE, "failed", "role app", 'role "app" does not exist'),
        (EXTENSION, "could not judge", "extension citext", "does not have it"),
        (OLD_EXTENSION, "could not judge", "extension hstore", "does not have it"),
        (DUPLICATE, "failed", "database:m: constraint people people_pkey", "could not create unique index"),
        (FULL, "could not judge", "database:m", "No space left on device"),
        (CUT, "failed", "database:m", "end of file"),
        (GONE, "could not judge", "database:m", "server closed the connection"),
    ],
)
def test_an_error_text_becomes_a_verdict_with_its_object(said, verdict, thing, cause):
    judged = load.judged(CommandError("pg_restore", 1, said), "database:m")
    assert (judged.verdict, judged.thing) == (verdict, thing)
    assert cause in judged.cause
