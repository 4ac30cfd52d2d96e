"""Says from measured drills how long a restore of production size would take: a straight line, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FEWEST_SIZES = 3
NOT_ENOUGH = "not enough sizes"
# Drills within so much of each other are one size: a line through them would be noise.
_SAME_SIZE = 1.1

Row = tuple[int, float]


def forecast(rows: Sequence[Row], production_bytes: int, target_seconds: float) -> dict[str, Any] | str:
    """Return {"sizes", "production_seconds", "breaks_at_bytes"} or `not enough sizes`.

    `rows` are (bytes, seconds) of drills that passed, one a drill. `breaks_at_bytes` is the size at which the target is
    reached, None where the line does not rise.
    """
    sizes = _distinct(sorted(rows))
    if len(sizes) < FEWEST_SIZES:
        return NOT_ENOUGH
    slope, start = _line(sizes)
    return {
        "sizes": [size for size, _seconds in sizes],
        "production_seconds": round(max(start + slope * production_bytes, 0.0), 1),
        "breaks_at_bytes": max(int((target_seconds - start) / slope), 0) if slope > 0 else None,
    }


def row_of(document: Mapping[str, Any]) -> Row | None:
    """Return (bytes, seconds) of a drill's document when it passed and was measured, else None."""
    size, seconds = document.get("drilled_bytes"), document.get("total_seconds")
    if document.get("verdict") != "passed" or not size or seconds is None:
        return None
    return int(size), float(seconds)


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Return one row a size, with the mean of its times."""
    groups: list[list[Row]] = []
    for row in rows:
        if groups and row[0] <= groups[-1][0][0] * _SAME_SIZE:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [
        (round(sum(size for size, _ in group) / len(group)), sum(seconds for _, seconds in group) / len(group))
        for group in groups
    ]


def _line(rows: Sequence[Row]) -> tuple[float, float]:
    """Return (seconds a byte, seconds at size nought) of the least squares."""
    count = len(rows)
    mean_size = sum(size for size, _ in rows) / count
    mean_seconds = sum(seconds for _, seconds in rows) / count
    spread = sum((size - mean_size) ** 2 for size, _ in rows)
    slope = sum((size - mean_size) * (seconds - mean_seconds) for size, seconds in rows) / spread
    return slope, mean_seconds - slope * mean_size
