"""Work of job `back-up`, and what the source hosts are allowed to hand out for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from yunwei.policy import Item, Policy, System, no_driver
from yunwei.policy.engines import ENGINES
from yunwei.policy.inventory import Host
from yunwei.work.pins import pinned_keys
from yunwei.work.shapes import BackUpItemWork, BackUpWork, DueWork, ReleaseWork, SourceHostWork, TripwireWork
from yunwei.work.source_shapes import (
    PrepareWork,
    SourceDatabaseWork,
    SourceFileSetWork,
    SourceHistoryWork,
    SourceLogPlaceWork,
    SourceSystemWork,
    SourceWork,
)
from yunwei.work.times import utc

ACCOUNT = "yunwei-source"
PARALLEL_DATABASES = 2
HostVariables = Mapping[str, Mapping[str, Any]]


def back_up_work(
    policy: Policy, system_id: str, now_flag: bool, now: datetime, host_vars: HostVariables | None = None
) -> BackUpWork:
    """Return what the backup server pulls for one system.

    `now_flag` pulls everything, due or not. `host_vars` (host to variables) replaces what hosts.yml says.
    Raises `UsageError` for an unknown system or a source without a pinned host key.
    """
    system = policy.system(system_id)
    hosts = {item.host: host_of(policy, item.host, host_vars) for item in system.items()}
    places = [(host.address, host.port) for host in hosts.values()]
    return {
        "system": system.id,
        "repository": local_repository(policy, system),
        "records": local_records(policy, system),
        "known_hosts": pinned_keys(Path(policy.estate.known_hosts_file), places),
        "items": [_item(policy, item, hosts[item.host], now) for item in system.items()],
        "now": now_flag,
        "time": utc(now),
        "parallel": PARALLEL_DATABASES,
        "tripwire": tripwire_work(system),
    }


def source_work(policy: Policy, host: str) -> SourceWork:
    """Return what one host may hand out: the content of its `/etc/yunwei/source.json`, for every system on it.

    Raises `UsageError` for an unknown host.
    """
    name = policy.host(host).name
    systems = {system.id: _source_system(system, name) for system in policy.systems.values()}
    return {
        "host": name,
        "account": ACCOUNT,
        "systems": {key: one for key, one in systems.items() if any(one.values())},
    }


def prepare_work(policy: Policy, system_id: str) -> PrepareWork:
    """Return what the sources may hand out, for every host and not for this system alone, and the server's store.

    A host's configuration is one file: a run for some systems must not take the others out of it.
    """
    hosts = {host for system in policy.systems.values() for host in source_hosts(system)}
    return {
        "system": policy.system(system_id).id,
        "sources": {host: source_work(policy, host)["systems"] for host in sorted(hosts)},
        "store": policy.estate.sites.local.path,
    }


def source_hosts(system: System) -> set[str]:
    """Return the hosts that hand out anything of a system."""
    return {item.host for item in system.items()} | set(system.log_hosts)


def tripwire_releases(system: System) -> list[ReleaseWork]:
    """Return the suspicious backups that a person has released."""
    return [{"item": one.item, "record": one.record, "reason": one.reason} for one in system.tripwire.releases]


def local_repository(policy: Policy, system: System) -> str:
    """Return the system's repository on the backup server."""
    return f"{policy.estate.sites.local.path}/{system.id}/repo"


def local_records(policy: Policy, system: System) -> str:
    """Return the folder of the system's accepted-backup records on the backup server."""
    return f"{policy.estate.sites.local.path}/{system.id}/records"


def host_of(policy: Policy, name: str, host_vars: HostVariables | None) -> Host:
    """Return a host of the inventory with the variables that Ansible gives it, where it gives any."""
    host = policy.host(name)
    given = (host_vars or {}).get(name)
    return host if given is None else Host(name, host.groups, {**host.variables, **given})


def _item(policy: Policy, item: Item, host: Host, now: datetime) -> BackUpItemWork:
    zone = policy.estate.zone
    schedule: DueWork = {
        "last_scheduled": utc(item.schedule.last_scheduled(now, zone)),
        "next_due": utc(item.schedule.next_due(now, zone)),
    }
    return {
        "item": item.id,
        "slug": item.slug,
        "kind": item.kind,
        "name": item.name,
        "engine": item.engine,
        "no_driver": no_driver(item.engine),
        **source_host(host),
        "full_every_days": item.file_set.full_every_days if item.file_set else None,
        "lock_timeout_seconds": item.database.lock_timeout_seconds if item.database else None,
        "rpo_seconds": item.rpo_seconds,
        "schedule": schedule,
    }


def source_host(host: Host) -> SourceHostWork:
    """Return how the backup server reaches a host that something is pulled from."""
    return {
        "source_host": host.name,
        "source_address": host.address,
        "source_port": host.port,
        "account": ACCOUNT,
        "secret": f"source-{host.name}",
        "ssh_options": list(host.variables.get("yunwei_source_ssh_options", [])),
    }


def tripwire_work(system: System) -> TripwireWork:
    """Return how much a backup of the system may have lost."""
    rules = system.tripwire
    return {
        "table_rows_percent": rules.table_rows_percent,
        "all_rows_percent": rules.all_rows_percent,
        "tables_gone": rules.tables_gone,
        "minimum_rows": rules.minimum_rows,
        "files_percent": rules.files_percent,
        "minimum_files": rules.minimum_files,
        "rewritten_points": rules.rewritten_points,
        "minimum_bytes": rules.minimum_bytes,
        "hold": rules.hold,
        "releases": tripwire_releases(system),
    }


def _source_system(system: System, host: str) -> SourceSystemWork:
    databases: dict[str, SourceDatabaseWork] = {}
    file_sets: dict[str, SourceFileSetWork] = {}
    for item in system.items():
        if item.host != host:
            continue
        if item.database is not None:
            databases[item.name] = {
                "engine": item.database.engine,
                "port": item.port or 0,
                "os_user": item.database.os_user or ENGINES[item.database.engine].os_user,
                "lock_timeout_seconds": item.database.lock_timeout_seconds,
            }
        elif item.file_set is not None:
            file_sets[item.name] = {"paths": list(item.file_set.paths), "exclude": list(item.file_set.exclude)}
    return {
        "databases": databases,
        "file_sets": file_sets,
        "logs": _log_places(system, host),
        "history": _history(system, databases),
    }


def _history(system: System, databases: Mapping[str, SourceDatabaseWork]) -> dict[str, SourceHistoryWork]:
    """Return the history rules of the databases of one host."""
    return {
        rule.name: {
            "database": rule.database,
            "schema": rule.schema_name,
            "table": rule.table,
            "column": rule.column,
            "batch_rows": rule.batch_rows,
            "partitions": rule.partitions,
        }
        for rule in system.history
        if rule.database in databases
    }


def _log_places(system: System, host: str) -> dict[str, list[SourceLogPlaceWork]]:
    rules = [rule for rule in system.logs if host in rule.hosts]
    places: list[SourceLogPlaceWork] = [
        {
            "path": rule.path,
            "below": rule.goes_below,
            "patterns": rule.all_patterns,
            "exclude": list(rule.exclude),
        }
        for rule in rules
    ]
    return {host: places} if places else {}
