"""Work of job `clean-logs`: which files of which hosts may go, and where their archive lies."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from yunwei.policy import Policy, System
from yunwei.policy.inventory import Host
from yunwei.policy.logs import LogRule
from yunwei.work.back_up import HostVariables, host_of, local_records, local_repository, source_host, tripwire_work
from yunwei.work.pins import pinned_keys
from yunwei.work.shapes import LogRuleWork, LogSourceWork, LogWork
from yunwei.work.times import utc


def log_work(policy: Policy, system_id: str, now: datetime, host_vars: HostVariables | None = None) -> LogWork:
    """Return what may be archived and removed on the hosts of one system.

    Raises `UsageError` for an unknown system or a host without a pinned key, `RefusedError` where a rule's permission
    has expired.
    """
    system = policy.system(system_id)
    today = now.astimezone(policy.estate.zone).date()
    system.require_log_permissions(today)
    hosts = [host_of(policy, name, host_vars) for name in system.log_hosts]
    places = [(host.address, host.port) for host in hosts]
    return {
        "system": system.id,
        "repository": local_repository(policy, system),
        "records": local_records(policy, system),
        "backup_server": policy.estate.sites.local.backup_server,
        "known_hosts": pinned_keys(Path(policy.estate.known_hosts_file), places),
        "sources": {host.name: _source(host) for host in hosts},
        "rules": {host.name: _rules(system, host.name) for host in hosts},
        "today": today.isoformat(),
        "time": utc(now),
        "tripwire": tripwire_work(system),
    }


def _source(host: Host) -> LogSourceWork:
    return {
        "item": f"logs:{host.name}",
        "slug": f"logs-{host.name}",
        "kind": "logs",
        "name": host.name,
        "engine": None,
        **source_host(host),
    }


def _rules(system: System, host: str) -> list[LogRuleWork]:
    return [_rule(rule) for rule in system.logs if host in rule.hosts]


def _rule(rule: LogRule) -> LogRuleWork:
    return {
        "name": rule.name,
        "kind": rule.kind,
        "path": rule.path,
        "below": rule.goes_below,
        "patterns": rule.all_patterns,
        "exclude": list(rule.exclude),
        "account": rule.account,
        "keep_days": rule.keep_days,
        "after_days": rule.after_days,
        "max_bytes": rule.max_bytes,
        "until_free_percent": rule.free_percent,
        "until_free_bytes": rule.free_bytes,
        "keep_newest": rule.keep_newest,
        "permission": {"reference": rule.permission.reference, "expires": rule.permission.expires.isoformat()},
    }
