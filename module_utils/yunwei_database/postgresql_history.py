"""What PostgreSQL tells of old rows, and the statement that deletes exactly those that were exported."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import base64
import binascii
import re
import struct

from .faults import SqlError
from .psql import literal

# What an exported row is known by. The program of the source hosts has the same; both set what makes text of values.
ROW_KEY = "('x' || substr(md5((r.*)::text), 1, 16))::bit(64)::bigint"
OUTPUT = {
    "DateStyle": "ISO,YMD", "IntervalStyle": "postgres", "TimeZone": "UTC", "extra_float_digits": "3",
    "bytea_output": "hex", "xmlbinary": "base64", "xmloption": "content", "lc_monetary": "C",
    "quote_all_identifiers": "off", "row_security": "off",
}  # fmt: skip
_MOMENT = re.compile(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\Z")

TABLE_KEYS = ("number", "kind", "name", "column", "type", "key", "indexed", "references", "rules", "triggers")
TABLE_KEYS += ("granted", "owned")
_TABLE = """
SELECT json_build_array(c.oid::bigint, c.relkind::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
 quote_ident(a.attname), t.typname,
 (SELECT coalesce(json_agg(quote_ident(k.attname) ORDER BY p.place), '[]') FROM pg_index i
   CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS p (number, place)
   JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = p.number
   WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid
   AND p.place <= coalesce((to_json(i)->>'indnkeyatts')::int, i.indnatts)),
 EXISTS (SELECT 1 FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
   WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
   AND m.amname IN ('btree', 'brin')),
 (SELECT coalesce(json_agg(json_build_array(conname, conrelid::regclass::text, confdeltype::text)), '[]')
   FROM pg_constraint WHERE contype = 'f' AND confrelid = c.oid),
 (SELECT coalesce(json_agg(rulename), '[]') FROM pg_rewrite WHERE ev_class = c.oid AND ev_type = '4'),
 (SELECT coalesce(json_agg(tgname), '[]') FROM pg_trigger
   WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 8 <> 0),
 (SELECT coalesce(json_agg(word), '[]') FROM unnest(ARRAY['SELECT', 'DELETE']) AS word
   WHERE has_table_privilege(c.oid, word)),
 pg_has_role(c.relowner, 'USAGE'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = %s AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = %s AND c.relname = %s AND has_schema_privilege(n.oid, 'USAGE');
"""
_RANGED = """
SELECT json_build_array(p.partstrat = 'r' AND p.partnatts = 1 AND a.attname = %s) FROM pg_partitioned_table p
LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] WHERE p.partrelid = %d;
"""
_EXPIRED = """
SELECT json_build_array(n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname))
FROM (SELECT inhrelid, substring(pg_get_expr(x.relpartbound, x.oid) FROM $$TO \\('([^']*)'\\)$$)::%s AS ends
 FROM pg_inherits i JOIN pg_class x ON x.oid = i.inhrelid WHERE i.inhparent = %d AND x.relkind = 'r') e
JOIN pg_class c ON c.oid = e.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE e.ends <= %s ORDER BY e.ends, c.oid;
"""
_NOW = "SELECT json_build_array(extract(epoch FROM clock_timestamp())::bigint);"
_FIGURES = """
SELECT json_build_array(count(*), coalesce(sum(pg_column_size((r.*))), 0)::bigint, min(r.%(column)s)::text,
 max(r.%(column)s)::text) FROM %(rows)s;
"""
_NTH = "SELECT json_build_array(r.%(column)s::text) FROM %(rows)s ORDER BY r.%(column)s OFFSET %(most)d LIMIT 1;"
_COUNT = "SELECT json_build_array(count(*)) FROM %s;"
_DIGEST = "SELECT json_build_array(count(*), coalesce(sum(%s::numeric), 0)::text) FROM ONLY %s AS r;"
_DELETE = """
WITH gone AS (DELETE FROM ONLY %(table)s AS r WHERE r.%(column)s < %(before)s
 AND ROW(%(key)s) >= ROW(%(first)s) AND ROW(%(key)s) <= ROW(%(last)s)
 AND %(row_key)s = ANY (%(keys)s::bigint[]) RETURNING 1)
SELECT json_build_array(count(*)) FROM gone;
"""


def skew_seconds(session, now):
    """Return how far the server's clock is ahead of `now`, in seconds."""
    return session.rows(_NOW)[0][0] - now


def read_table(session, rule, version):
    """Return what the catalog says of a rule's table, None where it is not there."""
    rows = session.rows(_TABLE % tuple(literal(rule[key]) for key in ("column", "schema", "table")))
    if not rows:
        return None
    found = dict(zip(TABLE_KEYS, rows[0]))  # noqa: B905 unknown to Python 2
    ranged = session.rows(_RANGED % (literal(rule["column"]), found["number"])) if version >= 100000 else []
    return dict(found, ranged=bool(ranged and ranged[0][0]))


def read_old(session, rule, table):
    """Return {"rows", "bytes", "oldest", "newest"} of what is old, {"total"} rows of all, and the old "parts"."""
    parts = None
    if rule["partitions"]:
        parts = read_parts(session, rule, table)
        places = ["ONLY %s AS r" % part[2] for part in parts]
    else:
        places = [_old_rows(rule, table)]
    words = [{"column": table["column"], "rows": place} for place in places]
    figures = [session.rows(_FIGURES % one)[0] for one in words]
    found = {"rows": sum(one[0] for one in figures), "bytes": sum(one[1] for one in figures), "parts": parts}
    ends = [(one[2], one[3]) for one in figures if one[0]] or [(None, None)]
    return dict(found, oldest=ends[0][0], newest=ends[-1][1], total=count(session, rule, table))


def read_parts(session, rule, table):
    """Return [schema, name, quoted name] of each partition that holds old rows only and never gets another."""
    return session.rows(_EXPIRED % (table["type"], table["number"], _before(rule)))


def read_before(session, rule, table, rows):
    """Return (the moment before which at most `rows_per_run` rows lie, how many do), given how many are old."""
    if rows <= rule["rows_per_run"]:
        return rule["before"], rows
    words = {"column": table["column"], "rows": _old_rows(rule, table), "most": rule["rows_per_run"]}
    nth = session.rows(_NTH % words)[0][0]
    fewer = "%s AND r.%s < %s" % (_old_rows(rule, table), table["column"], literal(nth))
    return nth, session.rows(_COUNT % fewer)[0][0]


def count(session, rule, table):
    """Return how many rows the table has, with those of its partitions where these are what goes."""
    return session.rows(_COUNT % ("%s%s" % ("" if rule["partitions"] else "ONLY ", table["name"])))[0][0]


def digest(name):
    """Return the question for the rows and the digest of a whole partition."""
    return _DIGEST % (ROW_KEY, name)


def deletion(rule, table, line):
    """Return (statement, how many rows it is about) for a batch of exported rows; raises SqlError for a damaged one."""
    try:
        raw = base64.b64decode(line["keys"].encode("ascii"))
        keys = struct.unpack(">%dq" % (len(raw) // 8), raw)
        ends = [[literal(text) for text in line[end]] for end in ("from", "to")]
    except (KeyError, AttributeError, TypeError, ValueError, struct.error, binascii.Error) as error:
        raise SqlError("22023", "the list of exported rows is damaged (%s): start the job again" % error)
    if not keys or [end for end in ends if len(end) != len(table["key"])]:
        raise SqlError("22023", "the exported rows do not fit the table's primary key: start the job again")
    words = {"table": table["name"], "column": table["column"], "before": _before(rule), "row_key": ROW_KEY}
    words.update(key=", ".join("r." + name for name in table["key"]), first=", ".join(ends[0]), last=", ".join(ends[1]))
    words["keys"] = literal("{%s}" % ",".join("%d" % key for key in keys))
    return _DELETE % words, len(keys)


def _before(rule):
    if not _MOMENT.match(rule["before"]):
        raise SqlError("22007", "%s is no moment of policy" % rule["before"][:80])
    return literal(rule["before"])


def _old_rows(rule, table):
    return "ONLY %s AS r WHERE r.%s < %s" % (table["name"], table["column"], _before(rule))
