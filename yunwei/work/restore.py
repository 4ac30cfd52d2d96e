"""Work of a restore: the drill and real recovery differ in where to and what they may touch, in nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from yunwei.errors import RefusedError, UsageError
from yunwei.policy import Item, Policy, System, no_driver
from yunwei.policy.engines import ENGINES
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import Application, Service
from yunwei.work.back_up import local_records, local_repository
from yunwei.work.pins import pinned_keys
from yunwei.work.restore_shapes import ApplicationWork, EndpointWork, RestoreItemWork, RestoreWork, ServiceWork
from yunwei.work.shapes import RemoteWork, SiteName
from yunwei.work.sites import miyun
from yunwei.work.times import utc

_RESTORE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{3,63}")
_RECORD = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class RestoreOptions:
    """What the person asked for."""

    restore_id: str
    site: SiteName = "miyun"
    records: dict[str, str] = field(default_factory=dict)
    """Record id by item id; what is not named is restored from its newest record."""
    hosts: Sequence[str] = ()
    """Where to: `recover --to`; a drill takes the estate's first drill host where none is named."""
    database: str | None = None
    table: str | None = None
    into_schema: str | None = None
    files: str | None = None
    into_dir: str | None = None
    replace: Sequence[str] = ()
    keep_on_failure: bool = False
    accepted: Sequence[str] | None = None
    verified: Sequence[str] = ()


def drill_work(policy: Policy, system_id: str, options: RestoreOptions, now: datetime) -> RestoreWork:
    """Return the work of a drill: the whole system onto one empty host outside production.

    Raises `UsageError` for names that do not exist or options that only `recover` has, `RefusedError` for a host that
    is not a drill host.
    """
    system = policy.system(system_id)
    if any((options.database, options.table, options.files, options.into_schema, options.into_dir, options.replace)):
        raise UsageError("a drill restores the whole system; parts and --replace belong to `yunwei recover`.")
    hosts = list(options.hosts) or policy.estate.drill.hosts[:1]
    if len(hosts) != 1:
        raise UsageError(f"a drill takes one host, found {len(hosts)}: {', '.join(hosts)}.")
    _refuse_production(policy, hosts[0])
    work = _work(policy, system, options, dict.fromkeys(system.hosts, hosts[0]), now)
    work["mode"] = "drill"
    work["source_endpoints"] = _source_endpoints(policy, system)
    return work


def recover_work(policy: Policy, system_id: str, options: RestoreOptions, now: datetime) -> RestoreWork:
    """Return the work of a real recovery.

    `options.hosts` holds hosts of the system (each receives its own), one other host (it receives all), or pairs
    `db1=new1`. Raises `UsageError` for names that do not exist or options that do not go together.
    """
    system = policy.system(system_id)
    _check_part(options)
    targets = _targets(system, options.hosts)
    work = _work(policy, system, options, targets, now)
    work["replace"] = list(options.replace)
    if not _is_beside(options):
        work["services"], work["left_alone"] = _services(system, options, targets)
    return work


def _targets(system: System, hosts: Sequence[str]) -> dict[str, str]:
    """Return the receiving host of each of the system's hosts; those that receive nothing are left out.

    Raises `UsageError` when it is not clear what goes where.
    """
    if not hosts:
        raise UsageError("a recovery needs --to HOST: the hosts that receive the system.")
    pairs = dict(host.split("=", 1) for host in hosts if "=" in host)
    _refuse_unknown("host of this system", pairs, list(system.hosts))
    stranger = _stranger(system, hosts)
    if stranger is not None:
        return dict.fromkeys(system.hosts, stranger)
    plain = [host for host in hosts if "=" not in host]
    for host in plain:
        if host not in system.hosts:
            raise UsageError(f"which host does {host} stand for? Write it as {next(iter(system.hosts))}={host}.")
    return {**{host: host for host in plain}, **pairs}


def _stranger(system: System, hosts: Sequence[str]) -> str | None:
    """Return the only host asked for, if the system does not live there: it receives everything."""
    return hosts[0] if len(hosts) == 1 and "=" not in hosts[0] and hosts[0] not in system.hosts else None


def _services(
    system: System, options: RestoreOptions, targets: Mapping[str, str]
) -> tuple[list[ServiceWork], list[ServiceWork]]:
    """Return the services to stop and start, and those to leave alone.

    In place that is all of them, else those whose host has a successor: there, never where the living system runs.
    One database on a stranger is not the system: nothing is started beside it.
    """
    in_place = any(source == target for source, target in targets.items())
    alone = options.database is not None and _stranger(system, options.hosts) is not None
    ours: list[ServiceWork] = []
    others: list[ServiceWork] = []
    for service in system.services_in_start_order():
        if in_place or (service.host in targets and not alone):
            host = targets.get(service.host, service.host)
            ours.append({**_service(system, service), "host": host})
        else:
            others.append(_service(system, service))
    return ours, others


def _service(system: System, service: Service) -> ServiceWork:
    """Return a service; the server of a database that is restored by SQL is never stopped for it."""
    units = [ENGINES[one.engine].unit for one in system.databases if one.host == service.host]
    stops = not any(unit and service.unit.startswith(unit) for unit in units)
    return {"host": service.host, "unit": service.unit, "order": service.order, "stops": stops}


def _work(
    policy: Policy, system: System, options: RestoreOptions, targets: Mapping[str, str], now: datetime
) -> RestoreWork:
    """Return what drill and recovery have in common: a restore that may overwrite and stop nothing."""
    if not _RESTORE_ID.fullmatch(options.restore_id):
        raise UsageError(f"restore id {options.restore_id!r} may hold letters, digits and hyphens only (4 to 64).")
    local = options.site == "local"
    estate = policy.estate
    items = [_item(item, options, targets) for item in _chosen(system, options)]
    hosts = sorted({item["target_host"] for item in items})
    return {
        "system": system.id,
        "restore_id": options.restore_id,
        "mode": "recover",
        "site": options.site,
        "remote": remote_of(policy, system, options.site),
        "repository": local_repository(policy, system) if local else None,
        "records": local_records(policy, system) if local else None,
        "backup_server": estate.sites.local.backup_server if local else None,
        "items": items,
        "part": {
            "database": options.database,
            "table": options.table,
            "into_schema": options.into_schema,
            "files": options.files,
            "into_dir": options.into_dir,
        },
        "target_hosts": hosts,
        "target_groups": {host: list(policy.host(host).groups) for host in hosts},
        "targets": {
            "rto_seconds": system.targets.rto_seconds,
            "rpo_seconds": system.targets.rpo_seconds,
            "production_bytes": system.targets.production_bytes,
        },
        "application": None if _is_beside(options) else _application(system.application),
        "services": [],
        "left_alone": [],
        "replace": [],
        "accepted": None if options.accepted is None else list(options.accepted),
        "verified": list(options.verified),
        "source_endpoints": [],
        "work_dir": f"{estate.drill.work_dir}/{options.restore_id}",
        "reserve_bytes": estate.drill.reserve_bytes,
        "keep_on_failure": options.keep_on_failure,
        "time": utc(now),
    }


def _refuse_production(policy: Policy, name: str) -> None:
    host = policy.host(name)
    if policy.estate.production_group in host.groups:
        raise RefusedError(f"{name} is in group {policy.estate.production_group}; no drill touches production.")
    if name not in policy.estate.drill.hosts:
        allowed = ", ".join(policy.estate.drill.hosts)
        raise RefusedError(f"{name} is no drill host; policy/estate.yml allows {allowed}.")


def _check_part(options: RestoreOptions) -> None:
    """Refuse options that say half of something."""
    if options.table and not (options.database and options.into_schema):
        raise UsageError("--table needs --database D and --into SCHEMA: a table is never put back over the living one.")
    if options.into_schema and not options.table:
        raise UsageError("--into SCHEMA goes with --table.")
    if bool(options.files) != bool(options.into_dir):
        raise UsageError("--files GLOB and --into DIR go together: files are put beside the living ones.")
    if options.files and options.database:
        raise UsageError("a recovery takes --database or --files, not both; run it twice.")


def _is_beside(options: RestoreOptions) -> bool:
    """Tell whether the restore leaves the living system alone: a table into a schema, files into a folder."""
    return options.table is not None or options.files is not None


def _chosen(system: System, options: RestoreOptions) -> list[Item]:
    """Return the items to restore: all, one database, or the file sets.

    Raises `UsageError` for a record or database of an item that the system does not have.
    """
    items = system.items()
    _refuse_unknown("item", options.records, [item.id for item in items])
    for item, record in options.records.items():
        if not _RECORD.fullmatch(record):
            raise UsageError(f"{item}: {record!r} is no record id; it has 8 to 64 hexadecimal digits.")
    if options.database is not None:
        databases = {item.name: item for item in items if item.kind == "database"}
        _refuse_unknown("database", [options.database], list(databases))
        return [databases[options.database]]
    return [item for item in items if options.files is None or item.kind == "files"]


def _refuse_unknown(what: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or ""
            raise UsageError(f"there is no {what} '{name}'; {what}s: {', '.join(known) or 'none'}. {hint}".rstrip())


def _item(item: Item, options: RestoreOptions, targets: Mapping[str, str]) -> RestoreItemWork:
    if item.host not in targets:
        raise UsageError(
            f"{item.id} belongs on {item.host}, which --to does not name. Name it, or write {item.host}=HOST."
        )
    return {
        "item": item.id,
        "slug": item.slug,
        "kind": item.kind,
        "name": item.name,
        "engine": item.engine,
        "no_driver": no_driver(item.engine),
        "record": options.records.get(item.id),
        "source_host": item.host,
        "target_host": targets[item.host],
        "port": item.port,
        "paths": list(item.file_set.paths) if item.file_set else [],
        "rpo_seconds": item.rpo_seconds,
    }


def remote_of(policy: Policy, system: System, site: SiteName) -> RemoteWork | None:
    """Return how the repository is reached over SSH; the second site never needs the local one."""
    if site == "miyun":
        return miyun(policy, system, policy.estate.sites.miyun.read_user, "miyun-read")
    local = policy.estate.sites.local
    if local.read_user is None:
        return None
    host = policy.host(local.backup_server)
    return {
        "site": "local",
        "address": host.address,
        "port": host.port,
        "user": local.read_user,
        "path": local_repository(policy, system),
        "secret": "local-read",
        "repository_secret": "repository-local",
        "host_keys": pinned_keys(Path(policy.estate.known_hosts_file), [(host.address, host.port)]),
        "receipt_public_key": None,
    }


def _application(application: Application | None) -> ApplicationWork | None:
    if application is None:
        return None
    probe = application.probe
    return {
        "file_set": application.file_set,
        "command": list(application.command),
        "environment": dict(application.environment),
        "database": application.database,
        "probe": {"url": probe.url, "expect": probe.expect, "timeout_seconds": probe.timeout_seconds},
    }


def _source_endpoints(policy: Policy, system: System) -> list[EndpointWork]:
    """Return SSH of every host of the system and every port of its databases."""
    places = {(name, policy.host(name).port) for name in system.hosts}
    places |= {(item.host, item.port) for item in system.items() if item.port is not None}
    return [{"host": name, "address": policy.host(name).address, "port": port} for name, port in sorted(places)]
