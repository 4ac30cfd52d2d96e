"""What advice on a PostgreSQL server's parameters is made from: the parameters, what was counted, and the machine."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .faults import SqlError
from .machine import read_machine

# Only these are read: others, such as primary_conninfo, may hold a password.
NAMES = (
    "autovacuum", "autovacuum_max_workers", "autovacuum_work_mem", "checkpoint_completion_target",
    "effective_cache_size", "fsync", "full_page_writes", "hash_mem_multiplier", "log_temp_files",
    "maintenance_work_mem", "max_connections", "max_parallel_workers", "max_wal_size", "max_worker_processes",
    "shared_buffers", "shared_preload_libraries", "track_counts", "work_mem",
)  # fmt: skip
_NAMED = {"names": ",".join("'%s'" % name for name in NAMES)}

_SETTINGS = """
SELECT json_build_array(name, setting, unit, context, source, sourcefile, sourceline, pending_restart)
FROM pg_settings WHERE name IN (%(names)s);
"""
_SETTING_KEYS = ("name", "setting", "unit", "context", "source", "sourcefile", "sourceline", "pending_restart")

# What a role or a database has of its own instead of the server's value.
_OWN_VALUES = """
SELECT json_build_array(split_part(c, '=', 1), substr(c, strpos(c, '=') + 1), d.datname, r.rolname)
FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c
LEFT JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE (s.setdatabase = 0 OR d.datname = current_database()) AND split_part(c, '=', 1) IN (%(names)s)
ORDER BY c, d.datname, r.rolname;
"""
_OWN_KEYS = ("name", "value", "database", "role")

_TEMPORARY = """
SELECT json_build_array(temp_files, temp_bytes, xact_commit + xact_rollback) FROM pg_stat_database
WHERE datname = current_database();
"""
_TEMPORARY_KEYS = ("files", "bytes", "transactions")

_CHECKPOINTS_17 = "SELECT json_build_array(num_timed, num_requested) FROM pg_stat_checkpointer;"
_CHECKPOINTS = "SELECT json_build_array(checkpoints_timed, checkpoints_req) FROM pg_stat_bgwriter;"
_CHECKPOINT_KEYS = ("timed", "requested")


def read_tuning(session, version_number):
    """Return {"settings", "own_values", "temporary", "checkpoints", "machine", "unknown"}.

    All but the last two are lists of rows; a part that could not be read is missing and named in `unknown` ([{"part",
    "reason"}]). Raises SessionError.
    """
    facts = {}
    facts["machine"], facts["unknown"] = read_machine(session.process_id)
    checkpoints = _CHECKPOINTS_17 if version_number >= 170000 else _CHECKPOINTS
    for part, text, keys in (
        ("settings", _SETTINGS % _NAMED, _SETTING_KEYS),
        ("own_values", _OWN_VALUES % _NAMED, _OWN_KEYS),
        ("temporary", _TEMPORARY, _TEMPORARY_KEYS),
        ("checkpoints", checkpoints, _CHECKPOINT_KEYS),
    ):
        try:
            rows = session.rows(text)
        except SqlError as error:
            facts["unknown"].append({"part": part, "reason": error.message})
            continue
        facts[part] = [dict(zip(keys, row)) for row in rows]  # noqa: B905 unknown to Python 2
    return facts
