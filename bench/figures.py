"""What measurements come to: medians, ratios, forecasts, and whether the aims are met. Pure."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yunwei.drill.forecast import Row, forecast
from yunwei.errors import UsageError

_HOUR = 3600


@dataclass(frozen=True)
class Aim:
    """A figure and the most that it may be; `below`: the limit itself is too much already."""

    figure: str
    limit: float
    below: bool = False

    def is_met(self, figures: Mapping[str, Any]) -> bool:
        """Tell whether the figure keeps to the limit."""
        found = float(figures[self.figure])
        return found < self.limit if self.below else found <= self.limit

    def words(self) -> str:
        """Return the limit as people say it."""
        return f"{'under' if self.below else 'at most'} {self.limit:g}"


@dataclass(frozen=True)
class Result:
    """What one part measured: on what (`about`), the figures, and the aims that they are held against."""

    part: str
    about: Mapping[str, Any]
    figures: Mapping[str, Any]
    aims: Sequence[Aim]

    @property
    def missed(self) -> list[str]:
        """Return a line for every aim that is missed."""
        return [
            f"MISSED {self.part}: {aim.figure} is {self.figures[aim.figure]:g}, the aim is {aim.words()}"
            for aim in self.aims
            if not aim.is_met(self.figures)
        ]

    def line(self) -> str:
        """Return everything as one line of JSON."""
        aims = {aim.figure: {"aim": aim.words(), "met": aim.is_met(self.figures)} for aim in self.aims}
        return json.dumps({"part": self.part, "about": self.about, "figures": self.figures, "aims": aims})


def median(values: Sequence[float]) -> float:
    """Return the median to three digits."""
    return round(statistics.median(values), 3)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of ours to theirs, turn by turn: both of a turn met the same machine."""
    return median([our / their for our, their in zip(ours, theirs, strict=True)])


def added_share(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median share of our time that theirs does not need; nought where ours is not longer."""
    return median([max(our - their, 0.0) / our for our, their in zip(ours, theirs, strict=True)])


def forecast_error(rows: Sequence[Row], measured: Row) -> tuple[float, float]:
    """Return (predicted seconds, their distance from the measured ones as a share of these).

    `rows` are (bytes, seconds) of drills of smaller sizes, `measured` is that of the size to predict. Raises
    UsageError where the drill's own forecast says that the sizes are too few.
    """
    found = forecast(rows, measured[0], _HOUR)
    if isinstance(found, str):
        raise UsageError(f"{found}: drills of {sorted(row[0] for row in rows)} bytes; give --sizes further apart")
    predicted = float(found["production_seconds"])
    return predicted, round(abs(predicted - measured[1]) / measured[1], 3)


def growth(peaks: Mapping[float, int]) -> float:
    """Return how many times the peak of the smallest size that of the largest is."""
    return round(peaks[max(peaks)] / peaks[min(peaks)], 3)
