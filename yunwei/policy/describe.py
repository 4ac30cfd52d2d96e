"""Rows for `yunwei list systems`, `yunwei list hosts` and `yunwei list rules`."""

from __future__ import annotations

from yunwei.policy.catalogue import Rule, read_catalogue
from yunwei.policy.model import Policy
from yunwei.policy.system import System


def describe_systems(policy: Policy) -> list[dict[str, object]]:
    """Return one row a system: what it is, what is backed up, what is promised."""
    return [_system_row(system) for system in policy.systems.values()]


def describe_hosts(policy: Policy) -> list[dict[str, object]]:
    """Return one row a host of the inventory: where it is and which systems it serves, as what."""
    return [
        {
            "host": host.name,
            "address": host.address,
            "groups": ", ".join(group for group in host.groups if group != "all"),
            "systems": ", ".join(
                f"{system.id} ({system.hosts[host.name]})"
                for system in policy.systems.values()
                if host.name in system.hosts
            ),
        }
        for host in policy.hosts.values()
    ]


def describe_rules(policy: Policy) -> list[dict[str, object]]:
    """Return one row a rule of hardening: whose baseline has it, what it costs, whether it can be undone."""
    return [_rule_row(rule) for rule in read_catalogue(policy.inventory_dir)[0].rules.values()]


def _rule_row(rule: Rule) -> dict[str, object]:
    return {
        "rule": rule.id,
        "title": rule.title.zh,
        "levels": ", ".join(map(str, rule.levels)),
        "remedy": rule.remedy,
        "risk": rule.risk,
        "restart": rule.restart,
        "undo": rule.undo,
        "releases": ", ".join(sorted({name for one in rule.settings for name in one.releases})) or "all",
    }


def _system_row(system: System) -> dict[str, object]:
    return {
        "system": system.id,
        "name": system.name.zh,
        "contract": system.contract,
        "items": ", ".join(item.id for item in system.items()),
        "hosts": ", ".join(system.hosts),
        "RTO s": system.targets.rto_seconds,
        "RPO s": system.targets.rpo_seconds,
        "owner": system.owner_role,
    }
