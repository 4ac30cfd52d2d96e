"""The destruction's proof: what a fresh scan of the drill host found, as labelled text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from yunwei.report.checks import value_text
from yunwei.report.units import Units

_LATEST = 253402300799  # the last second of year 9999; more is not a time


def proof_lines(proof: Mapping[str, Any], units: Units) -> list[tuple[str, str]]:
    """Return (label, finding) for each key of a proof; a key without words of its own keeps its name."""
    return [(units.words.get(f"proof.{key}", key), _finding(key, value, units)) for key, value in proof.items()]


def _finding(key: str, value: Any, units: Units) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST
    if key.endswith("_at") and number:
        return units.instant(datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds"))
    if "bytes" in key and isinstance(value, int) and value >= 0:
        return units.size(value)
    if value in ([], "", None):
        return units.words("destroyed.nothing")
    if isinstance(value, list):
        return ", ".join(value_text(one, "") for one in value)
    return value_text(value, "")
