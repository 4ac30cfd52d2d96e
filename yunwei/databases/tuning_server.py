"""A PostgreSQL server as rules of tuning ask for it: whoever asks for what was not read is told that, and no guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yunwei.errors import CouldNotJudgeError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_UNITS = {"B": 1, "kB": KIB, "MB": MIB, "GB": GIB, "TB": 1 << 40}
# What our own session has of its role says nothing of the application's.
_OWN_SOURCES = ("user", "database user", "session", "client")


@dataclass(frozen=True)
class Server:
    """What an inspection told of one database's server (`care.inspect`).

    `sharing`: how many servers policy names on the host. `connections_percent`: policy's limit of sessions in use.
    """

    told: Mapping[str, Any]
    sharing: int
    connections_percent: int

    @property
    def version(self) -> int:
        """Return the version as 90603 or 150004."""
        return int(self.told["measures"]["version_number"])

    @property
    def is_standby(self) -> bool:
        """Tell whether it follows another server."""
        return bool(self.told["measures"]["in_recovery"])

    def row(self, name: str) -> dict[str, Any]:
        """Return a row of pg_settings; raises CouldNotJudgeError for what is not there or is not the application's."""
        for row in self._rows("settings"):
            if row["name"] == name:
                if row["source"] in _OWN_SOURCES:
                    raise CouldNotJudgeError(f"{name} is set for the role that looks ({row['source']}): reset it there")
                return row
        raise CouldNotJudgeError(f"the role may not see {name}: grant it pg_read_all_settings (pg_monitor)")

    def text(self, name: str) -> str:
        """Return a parameter as pg_settings has it."""
        return str(self.row(name)["setting"])

    def number(self, name: str) -> float:
        """Return a parameter without a unit."""
        return float(self.text(name))

    def size(self, name: str) -> int:
        """Return a parameter in bytes, or a negative number as it is."""
        return _bytes(self.row(name))

    def written(self, name: str) -> str:
        """Return a parameter as a person writes it."""
        row = self.row(name)
        size = _bytes(row) if row["unit"] else -1
        return write_size(size) if size >= 0 else str(row["setting"])

    def memory(self) -> int:
        """Return the bytes of memory that the server has for itself alone."""
        found = int(self._machine("memory")["bytes"])
        if self.sharing > 1:
            raise CouldNotJudgeError(
                f"{self.sharing} database servers of policy share this host's memory; the rule is for one alone"
            )
        return found

    def cpus(self) -> float:
        """Return how many CPUs the server may use; a quota may make it a fraction."""
        return float(self._machine("cpus")["count"])

    def counted(self, part: str) -> dict[str, Any]:
        """Return the one row of a part that the server counts."""
        rows = self._rows(part)
        if not rows:
            raise CouldNotJudgeError(f"the server counts nothing of {part}")
        return rows[0]

    def sessions(self) -> int:
        """Return how many sessions there were."""
        if "sessions_total" not in self.told["measures"]:
            raise CouldNotJudgeError("the sessions were not counted: see `yunwei db inspect`")
        return int(self.told["measures"]["sessions_total"])

    def own_values(self, name: str) -> list[str]:
        """Return `role in database: value` of whatever has a value of its own for a parameter."""
        return [
            f"{row['role'] or '*'} in {row['database'] or '*'}: {row['value']}"
            for row in self._rows("own_values")
            if row["name"] == name
        ]

    def _rows(self, part: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] | None = self.told["tuning"].get(part)
        if found is None:
            raise CouldNotJudgeError(self._why(part))
        return found

    def _machine(self, part: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.told["tuning"]["machine"].get(part)
        if found is None:
            raise CouldNotJudgeError(self._why(part))
        return found

    def _why(self, part: str) -> str:
        reasons = [one["reason"] for one in self.told["tuning"]["unknown"] if one["part"] == part]
        return f"{part} could not be read: {'; '.join(reasons)}"


def _bytes(row: Mapping[str, Any]) -> int:
    """Return a row's value in bytes; its unit may be a multiple such as `8kB`."""
    found = re.fullmatch(r"(\d*)([kMGT]?B)", row["unit"] or "")
    if not found:
        raise CouldNotJudgeError(f"{row['name']} has the unit {row['unit']!r}, which is no size")
    value = int(row["setting"])
    return value if value < 0 else value * int(found[1] or 1) * _UNITS[found[2]]


def write_size(size: int) -> str:
    """Return bytes as PostgreSQL writes them: in the largest unit that leaves a whole number."""
    whole = [unit for unit, worth in _UNITS.items() if size and size % worth == 0]
    unit = whole[-1] if whole else "B"
    return f"{size // _UNITS[unit]}{unit}"
