"""Time against its targets: what the figures carry, and no stronger."""

from __future__ import annotations

from dataclasses import dataclass

from yunwei.report.schema import Drill, Forecast
from yunwei.report.units import Units
from yunwei.report.verdict import Mark, at_production_size

_FORECAST_SIZES = 3  # two points fit any line; the third can contradict it


@dataclass(frozen=True)
class TargetView:
    """One objective: measured against target, and the statement that follows from it."""

    name: str
    clock: str
    measured: str
    target: str
    mark: Mark
    said: str


def rto_view(drill: Drill, units: Units) -> TargetView:
    """Return recovery time against its target; never as met when size or verdict do not carry that."""
    words = units.words
    mark, said = _rto_said(drill, units)
    clock = "clock" if drill["probe"] or drill["verdict"] != "passed" else "clock_without_application"
    return TargetView(
        name=words("rto.name"),
        clock=words(f"rto.{clock}"),
        measured=_measured(drill["total_seconds"], units),
        target=_target(drill["target_seconds"], units),
        mark=mark,
        said=said,
    )


def _rto_said(drill: Drill, units: Units) -> tuple[Mark, str]:
    words, total, target = units.words, drill["total_seconds"], drill["target_seconds"]
    if total is None:
        return ("bad" if drill["verdict"] == "failed" else "unknown"), words("rto.unmeasured")
    if target is None:
        return "none", words("rto.no_target")
    if total > target:
        key = "rto.missed" if at_production_size(drill) else "rto.missed_small"
        return "bad", words(key, over=units.duration(total - target))
    if drill["verdict"] != "passed":
        return "limited", words("rto.unproven")
    if at_production_size(drill):
        return "good", words("rto.met_full")
    known = drill["production_bytes"] is not None and drill["drilled_bytes"] is not None
    return "limited", words("rto.met_small" if known else "rto.met_size_unknown")


def rpo_view(drill: Drill, units: Units) -> TargetView:
    """Return the newest verified copy's age against its target."""
    words, age, target = units.words, drill["rpo_seconds"], drill["rpo_target_seconds"]
    mark: Mark = "good"
    said = words("rpo.met")
    if age is None:
        mark, said = "unknown", words("rpo.unmeasured")
    elif target is None:
        mark, said = "none", words("rpo.no_target")
    elif age > target:
        mark, said = "bad", words("rpo.missed", over=units.duration(age - target))
    return TargetView(words("rpo.name"), words("rpo.clock"), _measured(age, units), _target(target, units), mark, said)


def _measured(seconds: float | None, units: Units) -> str:
    return units.words("targets.unmeasured") if seconds is None else units.duration(seconds)


def _target(seconds: float | None, units: Units) -> str:
    return units.words("targets.none") if seconds is None else units.duration(seconds)


def forecast_text(forecast: Forecast | None, units: Units) -> str:
    """Return the recovery time forecast for production size, or that too few sizes were measured."""
    words = units.words
    sizes = sorted(set(forecast["sizes"])) if forecast else []
    if forecast is None or len(sizes) < _FORECAST_SIZES:
        return words("forecast.none")
    listed = ", ".join(units.size(size) for size in sizes)
    told = words("forecast.told", time=units.duration(forecast["production_seconds"]), n=len(sizes), sizes=listed)
    breaks = forecast["breaks_at_bytes"]
    after = words("forecast.holds") if breaks is None else words("forecast.breaks", size=units.size(breaks))
    return f"{told} {after}"
