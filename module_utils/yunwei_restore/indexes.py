"""Checks every B-tree index of a database against its table with amcheck, and leaves nothing behind."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json

from .commands import CommandError
from .errors import NotJudgedError
from .tally import Tally

_FIRST_WITH_HEAP = 110000
_FIRST = 100000

# All in one transaction that is rolled back: neither the extension nor the table of findings stays.
_CHECK = """
BEGIN;
SET LOCAL client_min_messages = error;
SET LOCAL statement_timeout = 0;
CREATE SCHEMA yunwei_amcheck;
CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA yunwei_amcheck;
CREATE TEMPORARY TABLE yunwei_findings (name text, wrong text) ON COMMIT DROP;
DO $yunwei$
DECLARE
    one record;
    folder text := (SELECT n.nspname FROM pg_catalog.pg_extension e
                    JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck');
BEGIN
    FOR one IN
        SELECT c.oid, n.nspname || '.' || c.relname AS name, i.indisvalid AND i.indisready AS valid
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_am a ON a.oid = c.relam
        WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 2
    LOOP
        BEGIN
            IF NOT one.valid THEN RAISE EXCEPTION 'the index is marked as not valid'; END IF;
            EXECUTE pg_catalog.format('SELECT %%I.bt_index_check(%%s%%s)', folder, one.oid, '%(heap)s');
            INSERT INTO yunwei_findings VALUES (one.name, NULL);
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO yunwei_findings VALUES (one.name, SQLERRM);
        END;
    END LOOP;
END
$yunwei$;
SELECT coalesce(pg_catalog.json_agg(pg_catalog.row_to_json(f)), '[]') FROM yunwei_findings f;
ROLLBACK;
"""


def check(server, database):
    """Return a Tally of the B-tree indexes of `database`: sound, or what amcheck said of the broken one.

    Raises NotJudgedError when the server has no amcheck.
    """
    version = server.version_num()
    if version < _FIRST:
        raise NotJudgedError("indexes", "PostgreSQL before 10 has no amcheck", "drill on a newer major version")
    heap = ", true" if version >= _FIRST_WITH_HEAP else ""
    try:
        told = server.script(_CHECK % {"heap": heap}, database)
    except CommandError as error:
        raise NotJudgedError("indexes", "amcheck cannot run: %s" % error, "install the contrib package")
    tally = Tally()
    for finding in json.loads(told):
        if finding["wrong"] is None:
            tally.same()
        else:
            tally.differs("index %s" % finding["name"], "sound", finding["wrong"][:300])
    return tally
