"""Work of job `purge-history`: which old rows of which databases may go, and where their exports lie."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path

from yunwei.policy import Policy, System
from yunwei.policy.history import HistoryRule
from yunwei.policy.inventory import Host
from yunwei.work.back_up import HostVariables, host_of, local_records, local_repository, source_host, tripwire_work
from yunwei.work.databases import database_work, window
from yunwei.work.history_shapes import HistoryRuleWork, HistoryWork
from yunwei.work.pins import pinned_keys
from yunwei.work.times import utc


def history_work(
    policy: Policy, system_id: str, rule: str | None, now: datetime, host_vars: HostVariables | None = None
) -> HistoryWork:
    """Return which rows of one system may be exported and deleted.

    Rows are old from the beginning of a day on, so that a second run of a day finds nothing to do. `rule` names the
    only rule that is meant, None all of them.
    Raises `UsageError` for an unknown system or rule or a host without a pinned key, `RefusedError` where a rule's
    permission has expired.
    """
    system = policy.system(system_id)
    today = now.astimezone(policy.estate.zone).date()
    rules = system.history_rules(rule, today)
    databases = {database.name: database for database in system.databases}
    hosts = {name: host_of(policy, name, host_vars) for name in sorted({databases[one.database].host for one in rules})}
    limits = policy.estate.databases.maintenance.model_dump()
    until, closed = window(policy, system, now)
    found: dict[str, list[HistoryRuleWork]] = {name: [] for name in hosts}
    for one in rules:
        host = hosts[databases[one.database].host]
        midnight = datetime.combine(today - timedelta(days=one.keep_days), time(), policy.estate.zone)
        found[host.name].append(_rule(system, one, host, midnight))
    return {
        "system": system.id,
        "repository": local_repository(policy, system),
        "records": local_records(policy, system),
        "backup_server": policy.estate.sites.local.backup_server,
        "known_hosts": pinned_keys(
            Path(policy.estate.known_hosts_file), [(host.address, host.port) for host in hosts.values()]
        ),
        "rules": found,
        "limits": {name: value for name, value in limits.items() if name != "anytime"},
        "until": utc(until) if until else None,
        "closed": closed,
        "today": today.isoformat(),
        "tripwire": tripwire_work(system),
    }


def _rule(system: System, rule: HistoryRule, host: Host, midnight: datetime) -> HistoryRuleWork:
    database = next(one for one in system.databases if one.name == rule.database)
    return {
        "name": rule.name,
        "database": database_work(database),
        "schema": rule.schema_name,
        "table": rule.table,
        "column": rule.column,
        "before": midnight.isoformat(),
        "largest_share_percent": rule.largest_share_percent,
        "batch_rows": rule.batch_rows,
        "pause_milliseconds": rule.pause_milliseconds,
        "rows_per_run": rule.rows_per_run,
        "partitions": rule.partitions,
        "permission": {"reference": rule.permission.reference, "expires": rule.permission.expires.isoformat()},
        "source": {
            "item": f"history:{rule.name}",
            "slug": f"history-{rule.name}",
            "kind": "history",
            "name": rule.name,
            "engine": database.engine,
            **source_host(host),
        },
    }
