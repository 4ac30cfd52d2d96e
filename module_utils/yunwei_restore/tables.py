"""Brings one table of a backup back beside the living ones: into another schema, proven by the manifest's digest."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import subprocess

from . import commands, load, server, sql
from .commands import CommandError
from .errors import BadBackupError, NotJudgedError, RefusedError

_COLUMNS = """
SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS filled,
  CASE WHEN a.attcollation <> t.typcollation THEN
    (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(o.collname)
     FROM pg_catalog.pg_collation o JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace
     WHERE o.oid = a.attcollation) END AS collation
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
WHERE s.nspname =%s AND c.relname =%s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


def run(unit, dump, report, work):
    """Bring `part.table` of the unit of work back into `part.into_schema` of the living database; returns True."""
    part = unit["part"]
    line = find_line(dump.lines, part["table"])
    with report.phases.run("create_instance"):
        target = server.existing(dump.port)
        scratch = scratch_name(work)
    try:
        with report.phases.run("load") as phase:
            phase.bytes = dump.bytes()
            load_apart(dump, target, line, scratch)
        with report.phases.run("rebuild"):
            copy_over(dump, target, line, scratch, part["into_schema"])
    finally:
        drop_scratch(target, scratch)
    work.item(dump.item).update(server=target.as_dict(), table=line)
    work.save()
    report.facts["table"] = "%s.%s" % (part["into_schema"], line["name"])
    return True


def find_line(lines, table):
    """Return the line of `table` ("schema.name") of the manifest `lines`; raises RefusedError naming what there is."""
    lines = [line for line in lines if line.get("t") == "table"]
    for line in lines:
        if "%(schema)s.%(name)s" % line == table:
            return line
    known = sorted("%(schema)s.%(name)s" % line for line in lines)
    raise RefusedError(table, "the backup has no such table with rows; it has %s" % ", ".join(known[:20]), "")


def scratch_name(work):
    """Return the name of the passing database that the table is loaded into first."""
    return "yunwei_%s" % work.restore_id[:50]


def load_apart(dump, target, line, scratch):
    """Load the definitions of the dump and the rows of the one table into the new database `scratch`."""
    dump.lend(target.os_user)
    facts = dict((key, sql.quote_text(dump.facts[key])) for key in ("encoding", "collate", "ctype"))
    make = "CREATE DATABASE %s TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s;"
    target.script(make % (sql.quote_name(scratch), facts["encoding"], facts["collate"], facts["ctype"]))
    load.one_table(target, dump.payload, scratch, (line["schema"], line["name"]), dump.item)


def copy_over(dump, target, line, scratch, schema):
    """Make the table in `schema` of the living database and copy the rows from `scratch`."""
    columns = target.rows(_COLUMNS % (sql.quote_text(line["schema"]), sql.quote_text(line["name"])), scratch)
    if not columns:
        raise BadBackupError("%(schema)s.%(name)s" % line, "the dump does not have the table", "make a new backup")
    names = ", ".join(sql.quote_name(column["name"]) for column in columns)
    there = "%s.%s" % (sql.quote_name(schema), sql.quote_name(line["name"]))
    here = "%s.%s" % (sql.quote_name(line["schema"]), sql.quote_name(line["name"]))
    make = "CREATE SCHEMA IF NOT EXISTS %s;\nCREATE TABLE %s (%s);\n"
    try:
        target.script(make % (sql.quote_name(schema), there, ", ".join(_column(one) for one in columns)), dump.name)
        _pipe(
            target,
            (scratch, "COPY (SELECT %s FROM ONLY %s) TO STDOUT" % (names, here)),  # noqa: S608 - names are quoted
            (dump.name, "COPY %s (%s) FROM STDIN" % (there, names)),
        )
        target.script("ANALYZE %s;" % there, dump.name)
    except CommandError as error:
        raise NotJudgedError(there, "the living database does not take the table: %s" % error, "look at its types")


def drop_scratch(target, scratch):
    """Remove the passing database; only ever one of our own names."""
    if not scratch.startswith("yunwei_"):
        raise NotJudgedError(scratch, "not a passing database of a restore", "nothing was removed")
    target.script("DROP DATABASE IF EXISTS %s;" % sql.quote_name(scratch))


def _column(column):
    text = "%s %s" % (sql.quote_name(column["name"]), column["type"])
    text += " COLLATE %s" % column["collation"] if column["collation"] else ""
    return text + (" NOT NULL" if column["filled"] else "")


def _pipe(target, source, sink):
    """Copy rows from one database to another of the same server; raises CommandError when either side fails."""
    first = _psql(target, source, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    second = _psql(target, sink, stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdin.close()
    first.stdout.close()
    _out, said_last = second.communicate()
    said_first = first.stderr.read()
    first.stderr.close()
    for child, said in ((first, said_first), (second, said_last)):
        if child.wait() != 0:
            raise CommandError("psql", child.returncode, commands.shown(said))


def _psql(target, side, **streams):
    database, command = side
    arguments = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-d", server.connection(database), "-c", command]
    return commands.start([target.program("psql")] + arguments, target.os_user, target.environment(), **streams)
