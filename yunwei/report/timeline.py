"""The timeline's geometry: a bar true to the hour, and below it the phases magnified.

A lab drill takes seconds, the contract's target is an hour. One linear chart would hide the phases,
a broken axis would hide the hour; so both are drawn, and lines show which part is magnified.
"""

from __future__ import annotations

from dataclasses import dataclass

from yunwei.report.schema import Drill, PhaseTime
from yunwei.report.units import Units

WIDTH = 720.0
LEFT = 252.0  # bars begin here; names and figures are left of it
AREA = WIDTH - LEFT - 22.0  # the last tick's label needs room on the right
HOUR_TOP, HOUR_HEIGHT = 24.0, 16.0
ROWS_TOP, ROW_STEP, ROW_HEIGHT = 98.0, 20.0, 12.0
HOUR = 3600.0
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 6
_UNSEEN_GAP = 0.05  # seconds between phases that are rounding, not time


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: place and label."""

    x: float
    label: str


@dataclass(frozen=True)
class Row:
    """A phase of the magnified chart; `between` is time no phase accounts for."""

    name: str
    seconds: str
    bytes: str
    y: float
    x: float
    width: float
    between: bool = False


@dataclass(frozen=True)
class Timeline:
    """Everything the drawing needs, in its own pixels."""

    height: float
    rows: list[Row]
    hour_ticks: list[Tick]
    row_ticks: list[Tick]
    filled: float
    target_x: float
    target_row_x: float | None
    span: str
    magnified: float


def lay_out(drill: Drill, units: Units) -> Timeline | None:
    """Return the chart of a drill, or None when no phase was begun."""
    phases = drill["phases"]
    if not phases:
        return None
    summed = sum(phase["seconds"] for phase in phases)
    span = max(summed, drill["total_seconds"] or 0.0) or 1.0
    target = drill["target_seconds"] or HOUR
    axis = max(target, span * 1.02 if span > target else span)
    spans = _spans(phases, span, units)
    within = target <= span
    return Timeline(
        height=ROWS_TOP + len(spans) * ROW_STEP + 20,
        rows=[_row(index, one, span, units) for index, one in enumerate(spans)],
        hour_ticks=_ticks(axis, units),
        row_ticks=_ticks(span, units),
        filled=AREA * span / axis,
        target_x=LEFT + AREA * target / axis,
        target_row_x=LEFT + AREA * target / span if within else None,
        span=units.duration(span),
        magnified=axis / span,
    )


@dataclass(frozen=True)
class _Span:
    name: str
    begun: float
    seconds: float
    moved: int | None
    between: bool = False


def _spans(phases: list[PhaseTime], total: float, units: Units) -> list[_Span]:
    """Put the phases one after the other, and last the time that none of them accounts for."""
    spans, begun = [], 0.0
    for phase in phases:
        spans.append(_Span(units.words(f"phase.{phase['name']}"), begun, phase["seconds"], phase["bytes"]))
        begun += phase["seconds"]
    if total - begun > _UNSEEN_GAP:
        spans.append(_Span(units.words("timeline.between"), begun, total - begun, None, between=True))
    return spans


def _row(index: int, span: _Span, total: float, units: Units) -> Row:
    return Row(
        name=span.name,
        seconds=units.duration(span.seconds),
        bytes=units.size(span.moved) if span.moved else "–",
        y=ROWS_TOP + index * ROW_STEP,
        x=LEFT + AREA * span.begun / total,
        width=AREA * span.seconds / total,
        between=span.between,
    )


def _ticks(axis: float, units: Units) -> list[Tick]:
    step = next((one for one in _STEPS if axis / one <= _MOST_TICKS), _STEPS[-1])
    places = [index * step for index in range(int(axis / step) + 1)]
    return [Tick(LEFT + AREA * place / axis, units.duration(place) if place else "0") for place in places]
