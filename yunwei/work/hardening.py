"""Work of the jobs `harden-servers` and `undo`: which rules hold on which hosts, and which change is taken back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TypedDict

from yunwei.errors import UsageError
from yunwei.policy import Policy, System
from yunwei.policy.catalogue import Catalogue, Rule, read_catalogue
from yunwei.policy.hardening import Waiver
from yunwei.policy.inventory import Host
from yunwei.policy.suggest import did_you_mean
from yunwei.work.pins import pinned_keys
from yunwei.work.restarts import serving

VISITED = frozenset(["production", "hardening_canaries"])  # the groups of playbooks/harden_servers.yml
Chosen = Mapping[str, Mapping[str, str | None]]
"""By host the rules that somebody chose, beside what policy asks for; each with why it is left out, None where not."""

_RUN_ID = re.compile(r"r-[A-Za-z0-9-]{4,60}")


class SettingWork(TypedDict):
    """One setting, as `module_utils/yunwei_harden/kinds.py` takes it."""

    kind: str
    name: str
    value: str
    compare: str
    releases: list[str]
    owner: str
    groups: list[str]


class RuleWork(TypedDict):
    """One rule on one host; `waived` says why it is left out, in words."""

    id: str
    undo: str
    waived: str | None
    settings: list[SettingWork]


class HostHardeningWork(TypedDict):
    """One host's part, as `module_utils/yunwei_harden/hardening.py` takes it."""

    system: str
    systems: list[str]
    """Every system that the host serves: a change of its settings is one of them all."""
    rules: list[RuleWork]
    exempt_accounts: list[str]
    accept_irreversible: list[str]
    confirm_seconds: int


class HardeningWork(TypedDict):
    """Module `hardening_apply`, once for each host of a system; the probe is for action `hardening_confirm`."""

    system: str
    probe_account: str | None
    known_hosts: dict[str, list[str]]
    """By host: its own pins; empty where there is no probe account."""
    hosts: dict[str, HostHardeningWork]


class HostUndoWork(TypedDict):
    """One host's part; `systems`: every system that it serves."""

    systems: list[str]


class UndoWork(TypedDict):
    """Module `hardening_undo`, once for each host of a system."""

    system: str
    hosts: dict[str, HostUndoWork]
    change: str


def hardening_work(
    policy: Policy, system_id: str, accept: Sequence[str], now: datetime, chosen: Chosen | None = None
) -> HardeningWork:
    """Return what holds on the hosts of one system; no host where policy does not harden it.

    On a host of several systems the rules of all of them hold, less those that any of them has waived.
    With `chosen` just these rules hold, on just these hosts, less what is waived.
    Raises `UsageError` for an unknown system, and for an unknown rule in `accept` or `chosen`.
    """
    system, catalogue = policy.system(system_id), read_catalogue(policy.inventory_dir)[0]
    for name in accept:
        if name not in catalogue.rules:
            hint = did_you_mean(name, catalogue.rules) or "See `yunwei list rules`."
            raise UsageError(f"--accept-irreversible {name}: there is no such rule. {hint}")
    today = now.astimezone(policy.estate.zone).date()
    hosts = hosts_by_ssh(policy, system) if system.hardening else []
    hosts = [name for name in hosts if chosen is None or name in chosen]
    probe = policy.estate.hardening.probe_account
    probed = [policy.host(name) for name in hosts if probe]
    pins = Path(policy.estate.known_hosts_file)
    return {
        "system": system.id,
        "probe_account": probe,
        "known_hosts": {host.name: pinned_keys(pins, [(host.address, host.port)]) for host in probed},
        "hosts": {
            host: {
                "system": system.id,
                "systems": _served(policy, host),
                "rules": rules_on(policy, catalogue, host, today, chosen),
                "exempt_accounts": policy.estate.hardening.exempt_accounts,
                "accept_irreversible": list(accept),
                "confirm_seconds": policy.estate.hardening.confirm_seconds,
            }
            for host in hosts
        },
    }


def rules_on(policy: Policy, catalogue: Catalogue, host: str, today: date, chosen: Chosen | None) -> list[RuleWork]:
    """Return the rules of one host, those that were chosen for it where any were; the waived ones with the reason."""
    if chosen is None:
        return host_rules(policy, catalogue, host, today)
    return chosen_rules(policy, catalogue, host, today, chosen[host])


def undo_work(policy: Policy, system_id: str, change: str) -> UndoWork:
    """Return which change is taken back on the hosts of one system.

    Raises `UsageError` for an unknown system, and where `change` is no id of a run.
    """
    if not _RUN_ID.fullmatch(change):
        found = repr(change) if change else "nothing"
        raise UsageError(f"--change: found {found}; give the run that made it, such as r-20260301T013000-a1b2c3")
    system = policy.system(system_id)
    hosts: dict[str, HostUndoWork] = {host: {"systems": _served(policy, host)} for host in hosts_by_ssh(policy, system)}
    return {"system": system.id, "hosts": hosts, "change": change}


def host_rules(policy: Policy, catalogue: Catalogue, host: str, today: date) -> list[RuleWork]:
    """Return the rules of one host, those that are waived today with the reason."""
    wanted = {rule.id for system in _hardened(policy, host) for rule in _wanted(system, catalogue)}
    waivers = _waivers(policy, host)
    return [_rule(rule, waivers, host, today) for name, rule in catalogue.rules.items() if name in wanted]


def chosen_rules(
    policy: Policy, catalogue: Catalogue, host: str, today: date, chosen: Mapping[str, str | None]
) -> list[RuleWork]:
    """Return chosen rules as they hold on one host: whatever leaves one out, policy's waiver or `chosen` itself, wins.

    Raises `UsageError` where the catalogue has no such rule.
    """
    unknown = sorted(chosen.keys() - catalogue.rules.keys())
    if unknown:
        raise UsageError(f"{host}: the catalogue has no rule {', '.join(unknown)} any more: make a new plan")
    waivers = _waivers(policy, host)
    rules = [_rule(rule, waivers, host, today) for name, rule in catalogue.rules.items() if name in chosen]
    return [{**rule, "waived": rule["waived"] or chosen[rule["id"]]} for rule in rules]


def hosts_by_ssh(policy: Policy, system: System) -> list[str]:
    """Return the hosts of a system that are reached by SSH."""
    return [name for name in system.hosts if not _is_windows(policy.host(name))]


def _hardened(policy: Policy, host: str) -> list[System]:
    return [system for system in policy.systems.values() if system.hardening and host in system.hosts]


def _waivers(policy: Policy, host: str) -> list[Waiver]:
    return [one for system in _hardened(policy, host) if system.hardening for one in system.hardening.waive]


def visits(host: Host) -> bool:
    """Tell whether the job's playbook goes to a host."""
    return not VISITED.isdisjoint(host.groups)


def _served(policy: Policy, host: str) -> list[str]:
    return [system.id for system in serving(policy, host)]


def _is_windows(host: Host) -> bool:
    return host.variables.get("ansible_connection") in ("psrp", "winrm")


def _wanted(system: System, catalogue: Catalogue) -> list[Rule]:
    if system.hardening is None:
        return []
    return [*catalogue.baseline(system.hardening.level), *(catalogue.rules[name] for name in system.hardening.add)]


def _rule(rule: Rule, waivers: Sequence[Waiver], host: str, today: date) -> RuleWork:
    waiver = next((one for one in waivers if one.covers(rule.id, host, today)), None)
    return {
        "id": rule.id,
        "undo": rule.undo,
        "waived": f"{waiver.reason} ({waiver.approver}, until {waiver.until})" if waiver else None,
        "settings": [
            {
                "kind": one.kind,
                "name": one.name,
                "value": one.value,
                "compare": one.compare,
                "releases": list(one.releases),
                "owner": one.owner,
                "groups": list(one.groups),
            }
            for one in rule.settings
        ],
    }
