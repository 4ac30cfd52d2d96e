"""What the databases of a host say against a restart, and the checkpoint that makes their start short."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .host import finding
from .hosttools import commands, server, server_errors

_TRANSACTIONS = """
SELECT pid, usename AS who, datname AS database,
       floor(extract(epoch FROM clock_timestamp() - xact_start))::int AS seconds
FROM pg_catalog.pg_stat_activity
WHERE datname IS NOT NULL AND xact_start IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
  AND query NOT LIKE 'autovacuum:%%' AND clock_timestamp() - xact_start > interval '%d seconds'
ORDER BY xact_start
"""
_STANDBYS = """
SELECT application_name AS name, state, pg_catalog.{difference}(pg_catalog.{now}(), {replayed}) AS behind
FROM pg_catalog.pg_stat_replication
"""
_NEW = {"difference": "pg_wal_lsn_diff", "now": "pg_current_wal_lsn", "replayed": "replay_lsn"}
_OLD = {"difference": "pg_xlog_location_diff", "now": "pg_current_xlog_location", "replayed": "replay_location"}


def against_restart(databases, limits):
    """Return (findings, whether one of the databases is a standby).

    Args:
        databases: [{"name", "engine", "port", "os_user"}] of this host.
        limits: {"transaction_seconds", "lag_bytes"}.
    """
    found, standby = [], False
    for port, one in sorted(_servers(databases).items()):
        if one["engine"] != "postgresql":
            reason = "could not judge: no driver for %s; see with its own tools whether it may go down" % one["engine"]
            found.append(finding("database:%s" % one["name"], reason))
            continue
        try:
            asked = server.existing(port, one["os_user"])
            findings, is_standby = _postgresql(asked, limits)
        except (server_errors.RestoreError, commands.CommandError) as error:
            found.append(finding("database:%s" % one["name"], "could not judge: %s" % error))
            continue
        found += findings
        standby = standby or is_standby
    return found, standby


def checkpoint(databases):
    """Let every PostgreSQL write what it has in memory, so that it stops and starts quickly.

    Raises CommandError or RestoreError.
    """
    for port, one in sorted(_servers(databases).items()):
        if one["engine"] == "postgresql":
            server.existing(port, one["os_user"]).script("CHECKPOINT;\n")


def _servers(databases):
    """Return {port: one of its databases}: a server is asked once."""
    return dict((one["port"], one) for one in sorted(databases, key=lambda one: one["name"], reverse=True))


def _postgresql(asked, limits):
    found = []
    for row in asked.rows(_TRANSACTIONS % limits["transaction_seconds"]):
        reason = "a transaction of %(who)s in database %(database)s (process %(pid)s) is open for %(seconds)s s" % row
        found.append(finding("transaction:%(database)s:%(who)s" % row, reason + "; wait for its end"))
    standby = asked.rows("SELECT pg_catalog.pg_is_in_recovery() AS yes")[0]["yes"]
    if not standby:
        found += _lagging(asked, limits["lag_bytes"])
    return found, standby


def _lagging(asked, allowed):
    names = _NEW if asked.version_num() >= 100000 else _OLD
    found = []
    for row in asked.rows(_STANDBYS.format(**names)):
        if row["behind"] is None or int(row["behind"]) > allowed:
            reason = "standby %s (%s) is %s bytes behind, %d are allowed; wait until it has caught up"
            said = reason % (row["name"], row["state"], row["behind"], allowed)
            found.append(finding("standby:%s" % row["name"], said))
    return found
