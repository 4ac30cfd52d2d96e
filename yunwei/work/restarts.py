"""Work of job `restart-servers`: what each host of a system is asked, and how it goes down and is proven."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from yunwei.errors import RefusedError
from yunwei.policy import ENGINES, Policy, System
from yunwei.policy.inventory import Host


class DatabaseAskedWork(TypedDict):
    """A database of the host that must agree to a restart."""

    name: str
    engine: str
    port: int | None
    os_user: str | None


class ProbeAskedWork(TypedDict):
    """A health probe that this host sends."""

    system: str
    url: str
    expect: str
    timeout_seconds: int


class WaiverWork(TypedDict):
    """A finding of this host that blocks nothing; only waivers in force are listed."""

    finding: str
    reason: str


class HostRestartWork(TypedDict):
    """Modules `restart_facts`, `host_restart` and `restart_proof`, once a host."""

    host: str
    system: str
    """The system as whose host it is asked: results are told under it."""
    systems: list[str]
    """Every system that the host serves; the permit must name them all."""
    tiers: dict[str, int]
    """Place in the order of each system: 0 goes down first."""
    force: bool
    """True: restart it though nothing asks for it."""
    databases: list[DatabaseAskedWork]
    drain: list[list[str]]
    """Argument vectors, one for each system that has one."""
    undrain: list[list[str]]
    probes: list[ProbeAskedWork]
    waivers: list[WaiverWork]
    max_uptime_days: int
    transaction_seconds: int
    lag_bytes: int
    boot_free_bytes: int
    down_seconds: int
    proof_seconds: int


class RestartWork(TypedDict):
    """The hosts of one system, and those of them that this job leaves alone, with the reason."""

    system: str
    hosts: dict[str, HostRestartWork]
    left: dict[str, str]


def restart_work(policy: Policy, system_id: str, force: bool, now: datetime) -> RestartWork:
    """Return what is asked of the hosts of one system. Raises `UsageError` for an unknown system."""
    system = policy.system(system_id)
    reasons = {name: _why_left(policy.host(name)) for name in system.hosts}
    hosts = {name: _host_work(policy, system, name, force, now) for name, reason in reasons.items() if reason is None}
    return {"system": system.id, "hosts": hosts, "left": {name: why for name, why in reasons.items() if why}}


def serving(policy: Policy, host: str) -> list[System]:
    """Return the systems that a host serves, in alphabetical order."""
    return [system for system in policy.systems.values() if host in system.hosts]


def tier_of(system: System, host: str) -> int:
    """Return a host's place in its system's order: policy's tiers, or those without databases before those with."""
    role = system.hosts[host]
    if system.restart.tiers:
        return system.restart.tiers.index(role)
    return int(role in {system.hosts[database.host] for database in system.databases})


def _why_left(host: Host) -> str | None:
    if host.variables.get("ansible_connection") in ("psrp", "winrm"):
        return "could not judge: a Windows host; restart it by hand"
    if "sources" not in host.groups:
        return "could not judge: not in group sources, so no module reaches it"
    return None


def host_work(unit: Mapping[str, Any], host: str) -> HostRestartWork:
    """Return the part of a unit of work that is one host's. Raises `RefusedError` where it has none for the host."""
    hosts: Mapping[str, HostRestartWork] = unit["hosts"]
    if host not in hosts:
        raise RefusedError(
            f"the work of system {unit['system']} has no part for {host}: hand on that of its own system"
        )
    return hosts[host]


def _host_work(policy: Policy, asking: System, name: str, force: bool, now: datetime) -> HostRestartWork:
    systems, limits = serving(policy, name), policy.estate.restart
    special = [system.restart.hosts[name] for system in systems if name in system.restart.hosts]
    return {
        "host": name,
        "system": asking.id,
        "systems": [system.id for system in systems],
        "tiers": {system.id: tier_of(system, name) for system in systems},
        "force": force,
        "databases": [one for system in systems for one in _databases(system, name)],
        "drain": [list(one.drain) for one in special if one.drain],
        "undrain": [list(one.undrain) for one in special if one.undrain],
        "probes": [probe for system in systems for probe in _probes(system, name)],
        "waivers": [waiver for system in systems for waiver in _waivers(policy, system, name, now)],
        "max_uptime_days": limits.max_uptime_days,
        "transaction_seconds": limits.transaction_seconds,
        "lag_bytes": limits.lag_bytes,
        "boot_free_bytes": limits.boot_free_mib * 1024**2,
        "down_seconds": limits.down_seconds,
        "proof_seconds": limits.proof_seconds,
    }


def _databases(system: System, host: str) -> list[DatabaseAskedWork]:
    return [
        {
            "name": item.name,
            "engine": item.database.engine,
            "port": item.port,
            "os_user": item.database.os_user or ENGINES[item.database.engine].os_user,
        }
        for item in system.items()
        if item.database is not None and item.host == host
    ]


def _probes(system: System, host: str) -> list[ProbeAskedWork]:
    return [
        {
            "system": system.id,
            "url": probe.url,
            "expect": probe.expect,
            "timeout_seconds": probe.timeout_seconds,
        }
        for probe in system.restart.probes
        if probe.host == host
    ]


def _waivers(policy: Policy, system: System, host: str, now: datetime) -> list[WaiverWork]:
    today = now.astimezone(policy.estate.zone).date()
    return [
        {"finding": one.finding, "reason": one.reason}
        for one in system.restart.waivers
        if one.host == host and one.counts(today)
    ]
