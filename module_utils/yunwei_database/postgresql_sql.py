"""The questions to a PostgreSQL server, versions 9.6 to 17; every row comes as one JSON array.

None waits for a lock of a table or index: the size is not asked of what somebody holds, or waits for, exclusively.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

SERVER = """
SELECT json_build_array(current_setting('server_version'), current_setting('server_version_num')::int,
 pg_is_in_recovery(), current_setting('max_connections')::int, current_setting('autovacuum_freeze_max_age')::bigint,
 current_setting('autovacuum_multixact_freeze_max_age')::bigint, current_setting('block_size')::int,
 extract(epoch FROM now() - pg_postmaster_start_time())::bigint,
 (SELECT setting FROM pg_settings WHERE name = 'data_directory'),
 (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only'),
 current_user, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), dattablespace::bigint)
FROM pg_database WHERE datname = current_database();
"""
SERVER_KEYS = (
    "version", "version_number", "in_recovery", "max_connections", "freeze_max_age", "multixact_freeze_max_age",
    "block_bytes", "up_seconds", "data_directory", "read_only", "role", "database_number", "tablespace",
)  # fmt: skip

EXTENSIONS = """
SELECT json_build_array(e.extname, e.extversion, quote_ident(n.nspname))
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace;
"""

# Of sessions of others a role without pg_read_all_stats sees no state.
SESSIONS = """
SELECT json_build_array(count(*), count(*) FILTER (WHERE a.state = 'active'),
 count(*) FILTER (WHERE a.state LIKE 'idle in transaction%'),
 count(*) FILTER (WHERE a.query = '<insufficient privilege>'))
FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND a.application_name NOT LIKE 'yunwei-%'
 AND coalesce(to_json(a)->>'backend_type', 'client backend') = 'client backend';
"""

LONG = """
SELECT json_build_array(a.pid, a.usename, a.datname, a.state, extract(epoch FROM now() - a.xact_start)::bigint,
 coalesce(age(a.backend_xmin), 0))
FROM pg_stat_activity a WHERE a.xact_start IS NOT NULL AND a.pid <> pg_backend_pid()
 AND coalesce(to_json(a)->>'backend_type', 'client backend') = 'client backend'
 AND now() - a.xact_start > interval '1 second' * %(seconds)d ORDER BY a.xact_start LIMIT 50;
"""

# pg_locks shows everybody's locks to everybody; who waits for how long is only in versions since 14.
BLOCKED = """
SELECT json_build_array(w.pid, array_to_json(pg_blocking_pids(w.pid)),
 coalesce(extract(epoch FROM now() - coalesce(w.since, a.xact_start))::bigint, 0))
FROM (SELECT l.pid, min((to_json(l)->>'waitstart')::timestamptz) AS since FROM pg_locks l WHERE NOT l.granted
 GROUP BY l.pid) w LEFT JOIN pg_stat_activity a ON a.pid = w.pid;
"""

PREPARED = """
SELECT json_build_array(gid, database, extract(epoch FROM now() - prepared)::bigint) FROM pg_prepared_xacts
 WHERE now() - prepared > interval '1 second' * %(seconds)d;
"""

DATABASES = """
SELECT json_build_array(datname, age(datfrozenxid), mxid_age(datminmxid)) FROM pg_database WHERE datallowconn;
"""

SIZE = "SELECT json_build_array(pg_database_size(current_database()));"

TABLESPACES = """
SELECT json_build_array(t.oid::bigint, pg_tablespace_location(t.oid)) FROM pg_tablespace t
WHERE t.spcname <> 'pg_global';
"""

# Everybody who can connect sees these figures: they are read by number, not through the views.
TABLES = """
WITH held AS (SELECT DISTINCT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
SELECT json_build_array(c.oid::bigint, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
 c.relkind, c.reltuples::bigint, c.relpages, pg_stat_get_live_tuples(c.oid), pg_stat_get_dead_tuples(c.oid),
 pg_stat_get_mod_since_analyze(c.oid),
 greatest(age(c.relfrozenxid), age(nullif(t.relfrozenxid, '0'::xid))),
 greatest(mxid_age(c.relminmxid), mxid_age(nullif(t.relminmxid, '0'::xid))),
 extract(epoch FROM greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)))::bigint,
 extract(epoch FROM greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)))::bigint,
 %(may)s, c.oid IN (SELECT relation FROM held), n.nspname IN ('pg_catalog', 'information_schema'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't';
"""
TABLE_KEYS = (
    "number", "schema", "table", "name", "kind", "tuples", "pages", "live", "dead", "changed", "age", "multixact_age",
    "vacuumed", "analyzed", "may", "held", "catalog",
)  # fmt: skip

INDEXES = """
WITH held AS (SELECT DISTINCT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
SELECT json_build_array(c.oid::bigint, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
 i.indrelid::bigint, quote_ident(n.nspname) || '.' || quote_ident(t.relname), m.amname, i.indisvalid, i.indisunique,
 i.indisprimary, i.indisexclusion, EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid),
 c.reltuples::bigint,
 CASE WHEN c.oid IN (SELECT relation FROM held) THEN NULL ELSE pg_relation_size(c.oid) END,
 pg_stat_get_numscans(c.oid), md5(concat_ws(' ', i.indrelid, c.relam, i.indkey, i.indclass, i.indcollation, i.indoption,
  regexp_replace(i.indexprs::text, ':location -?[0-9]+', '', 'g'), 'where',
  regexp_replace(i.indpred::text, ':location -?[0-9]+', '', 'g'), i.indisunique, c.reloptions)),
 %(may)s, c.reltablespace::bigint, t.reltablespace::bigint, t.relkind)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
WHERE c.relkind = 'i' AND t.relkind IN ('r', 'm') AND t.relpersistence <> 't' AND c.relpersistence <> 't'
 AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast');
"""
INDEX_KEYS = (
    "number", "schema", "index", "name", "table_number", "table_name", "method", "valid", "unique", "primary",
    "exclusion", "constraint", "tuples", "bytes", "scans", "definition", "may", "tablespace", "table_tablespace",
    "table_kind",
)  # fmt: skip

# Who may vacuum a table and rebuild its indexes: its owner, and since version 17 whoever was granted MAINTAIN.
MAY_OWN = "pg_has_role(%(owner)s, 'USAGE')"
MAY_MAINTAIN = "(pg_has_role(%(owner)s, 'USAGE') OR has_table_privilege(%(table)s, 'MAINTAIN'))"

# How wide an index's entries are, from the statistics of its columns. `found` < `wanted`: some may not be seen.
WIDTHS = """
SELECT json_build_array(i.indexrelid::bigint, coalesce(w.width, 0), coalesce(w.nulls, 0), w.found, i.indnatts,
 coalesce((SELECT substring(o FROM 'fillfactor=(.*)')::int FROM unnest(c.reloptions) o
  WHERE o LIKE 'fillfactor=%%'), 90))
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
 SELECT sum((1 - s.null_frac) * s.avg_width) AS width, max(s.null_frac) AS nulls, count(s.avg_width) AS found
 FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
 LEFT JOIN pg_attribute a ON a.attrelid = CASE WHEN k.attnum = 0 THEN i.indexrelid ELSE i.indrelid END
  AND a.attnum = CASE WHEN k.attnum = 0 THEN k.place ELSE k.attnum END
 LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND NOT s.inherited AND s.attname = a.attname
  AND s.tablename = CASE WHEN k.attnum = 0 THEN c.relname ELSE t.relname END) w
WHERE i.indexrelid = ANY ('{%(numbers)s}'::oid[]);
"""

# leaf_density is that of the leaf pages that are in use; deleted and empty pages are what the rest wastes.
MEASURED = """
SELECT json_build_array(s.index_size, s.avg_leaf_density, s.leaf_pages, s.empty_pages, s.deleted_pages,
 c.reltuples::bigint)
FROM pg_class c, %(schema)s.pgstatindex(%(number)d::regclass) s WHERE c.oid = %(number)d;
"""
MEASURED_KEYS = ("bytes", "density", "leaves", "empty", "deleted", "tuples")

SEQUENCES = """
SELECT json_build_array(s.schemaname, s.sequencename, s.last_value,
 least(s.max_value, coalesce(o.largest, s.max_value)), has_sequence_privilege(c.oid, 'SELECT, USAGE'))
FROM pg_sequences s JOIN pg_namespace n ON n.nspname = s.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename
LEFT JOIN LATERAL (SELECT min(CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
  ELSE 9223372036854775807 END) AS largest
 FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0) o ON true
WHERE s.increment_by > 0 AND NOT s.cycle;
"""

STANDBYS = """
SELECT json_build_array(application_name, state,
 (CASE WHEN pg_is_in_recovery() THEN NULL ELSE %(difference)s(%(current)s(), %(replayed)s) END)::bigint)
FROM pg_stat_replication;
"""
# What only receives, such as pg_receivewal, replays nothing.
STANDBY_WORDS_10 = {
    "difference": "pg_wal_lsn_diff",
    "current": "pg_current_wal_lsn",
    "replayed": "coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn)",
}
STANDBY_WORDS_9 = {
    "difference": "pg_xlog_location_diff",
    "current": "pg_current_xlog_location",
    "replayed": "coalesce(replay_location, flush_location, write_location, sent_location)",
}

SLOTS = """
SELECT json_build_array(slot_name, active,
 (CASE WHEN pg_is_in_recovery() THEN NULL ELSE %(difference)s(%(current)s(), restart_lsn) END)::bigint)
FROM pg_replication_slots;
"""

ARCHIVER = """
SELECT json_build_array(current_setting('archive_mode'), failed_count,
 extract(epoch FROM now() - last_archived_time)::bigint, extract(epoch FROM now() - last_failed_time)::bigint)
FROM pg_stat_archiver;
"""

RESTART = "SELECT json_build_array(name) FROM pg_settings WHERE pending_restart ORDER BY name;"

CHECKSUMS = """
SELECT json_build_array(coalesce((to_json(d)->>'checksum_failures')::bigint, 0)) FROM pg_stat_database d
 WHERE datname = current_database();
"""

# Without the statements' text: it may hold what people typed.
STATEMENTS = """
SELECT json_build_array(queryid::text, calls, round(%(mean)s::numeric, 3), round(%(total)s::numeric, 1))
FROM %(schema)s.pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY %(total)s DESC LIMIT 10;
"""


def may(version_number, owner, table):
    """Return the SQL condition under which this role may maintain a table."""
    words = MAY_MAINTAIN if version_number >= 170000 else MAY_OWN
    return words % {"owner": owner, "table": table}


def standby_words(version_number):
    """Return the names of functions and columns that were renamed in version 10."""
    return STANDBY_WORDS_10 if version_number >= 100000 else STANDBY_WORDS_9


def wal_folder(version_number):
    """Return the name of the write-ahead log's folder, which was renamed in version 10."""
    return "pg_wal" if version_number >= 100000 else "pg_xlog"


def statement_words(version_number):
    """Return the names of columns that were renamed in version 13."""
    if version_number >= 130000:
        return {"mean": "mean_exec_time", "total": "total_exec_time"}
    return {"mean": "mean_time", "total": "total_time"}
