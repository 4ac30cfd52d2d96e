"""The policy of one inventory: estate, systems, contract and hosts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yunwei.errors import UsageError
from yunwei.policy.calendar import CalendarRules
from yunwei.policy.contract import Contract
from yunwei.policy.estate import Estate
from yunwei.policy.inventory import Host
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import System


@dataclass(frozen=True)
class Policy:
    """A valid policy; `systems` and `hosts` are keyed by their names, in alphabetical order."""

    inventory_dir: Path
    estate: Estate
    systems: dict[str, System]
    hosts: dict[str, Host]
    contract: Contract | None
    calendar: CalendarRules

    def system(self, name: str) -> System:
        """Return a system.

        Raises `UsageError` naming the nearest where there is none.
        """
        if name not in self.systems:
            raise UsageError(_unknown("system", name, list(self.systems)))
        return self.systems[name]

    def host(self, name: str) -> Host:
        """Return a host of the inventory.

        Raises `UsageError` naming the nearest where there is none.
        """
        if name not in self.hosts:
            raise UsageError(_unknown("host", name, list(self.hosts)))
        return self.hosts[name]

    def choose_systems(self, names: Sequence[str]) -> list[System]:
        """Return the named systems in the given order, each once; all systems where no name is given."""
        return [self.system(name) for name in dict.fromkeys(names or self.systems)]


def _unknown(what: str, name: str, names: list[str]) -> str:
    hint = did_you_mean(name, names)
    return f"there is no {what} '{name}'; {what}s: {', '.join(names) or 'none'}." + (f" {hint}" if hint else "")
