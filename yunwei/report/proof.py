"""The proof's small print as labelled text: what was destroyed, what a fresh scan found, which versions took part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from yunwei.report.checks import value_text
from yunwei.report.units import Units

_COUNTED = re.compile(r"(\d+) (processes|files|bytes)")
_LATEST = 253402300799  # the last second of year 9999; more is not a time


def proof_lines(proof: Mapping[str, Any], units: Units) -> list[tuple[str, str]]:
    """Return (label, finding) for each key of a proof; one without words keeps its name and comes last."""
    return _labelled("proof", {key: _finding(key, value, units) for key, value in proof.items()}, units)


def version_lines(versions: Mapping[str, Any], units: Units) -> list[tuple[str, str]]:
    """Return (label, version) of the programs that took part."""
    texts = {key: value_text(value, units.words("evidence.missing")) for key, value in versions.items()}
    dirty = texts.pop("dirty", "").lower() == "true"
    if dirty and "git_commit" in texts:
        texts["git_commit"] += f" ({units.words('evidence.dirty')})"
    return _labelled("version", texts, units)


def destroyed_lines(what: Iterable[str], units: Units) -> list[str]:
    """Return what was destroyed in the page's language; a path stays as it is."""
    return [_destroyed(one, units) for one in what]


def _destroyed(one: str, units: Units) -> str:
    counted = _COUNTED.fullmatch(one)
    if counted is None:
        return units.words("gone.instance") if one == "database instance" else one
    number = int(counted[1])
    amount = units.size(number) if counted[2] == "bytes" else units.count(number)
    return units.words(f"gone.{counted[2]}", n=amount)


def _labelled(group: str, texts: Mapping[str, str], units: Units) -> list[tuple[str, str]]:
    """Order the texts as the language file does, with its labels."""
    known = list(units.words.texts[group])
    ordered = sorted(texts, key=lambda key: known.index(key) if key in known else len(known))
    return [(units.words.get(f"{group}.{key}", key), texts[key]) for key in ordered]


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
