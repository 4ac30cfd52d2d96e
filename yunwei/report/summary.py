"""The drill's outcome in a few lines, for the terminal's end of a run."""

from __future__ import annotations

from yunwei.report.schema import CHECKS, Check, Drill
from yunwei.report.targets import TargetView, rpo_view, rto_view
from yunwei.report.units import Units
from yunwei.report.verdict import VerdictView, different_count, nothing_restored, verdict_view
from yunwei.report.visible import plain


def summary_lines(drill: Drill, units: Units) -> list[str]:
    """Return the verdict line first, then times, size, counts and where the evidence is."""
    words = units.words
    verdict = verdict_view(drill, units)
    name = drill["system_name"]["zh" if words.lang == "zh" else "en"]
    at = drill["snapshot_at"]
    site = words.get(f"site.{drill['site']}", drill["site"])
    lines = [f"{verdict.word} · {plain(name)} ({plain(drill['system'])})"]
    lines += _reason_lines(verdict, units)
    lines.append(words("summary.snapshot", site=plain(site), at=units.instant(at) if at else words("evidence.missing")))
    lines.append(_target_line("summary.time", rto_view(drill, units), units))
    lines.append(_target_line("summary.age", rpo_view(drill, units), units))
    drilled, production = _size(drill["drilled_bytes"], units), _size(drill["production_bytes"], units)
    lines.append(words("summary.size", drilled=drilled, production=production))
    lines.append(words("summary.checked", counts=_counts(drill, units)))
    lines.append(words(f"destroyed.{_destroyed(drill)}"))
    lines.append(words("summary.evidence", id=plain(drill["evidence_id"])))
    return lines


def _reason_lines(verdict: VerdictView, units: Units) -> list[str]:
    lines = []
    for told, following in [(finding, "") for finding in verdict.findings] + verdict.reasons:
        lines.append(f"  - {plain(told)}")
        if following:
            lines.append(f"    {units.words('verdict.next', step=plain(following))}")
    if verdict.more_reasons:
        lines.append(f"  - {units.words('verdict.more', n=verdict.more_reasons)}")
    return lines


def _target_line(key: str, view: TargetView, units: Units) -> str:
    return units.words(key, measured=view.measured, target=view.target, said=view.said)


def _size(count: int | None, units: Units) -> str:
    return units.words("size.unknown") if count is None else units.size(count)


def _counts(drill: Drill, units: Units) -> str:
    return units.words("page.and").join(_count(name, drill, units) for name in CHECKS)


def _count(name: Check, drill: Drill, units: Units) -> str:
    check = drill[name]
    label = units.words(f"summary.{name}")
    if check is None:
        return f"{label} {units.words('checks.unknown')}"
    counted = f"{label} {units.count(check['equal'])}/{units.count(check['expected'])}"
    different = different_count(check)
    return f"{counted} ({units.words('checks.differs')} {different})" if different else counted


def _destroyed(drill: Drill) -> str:
    destroyed = drill["destroyed"]
    if destroyed is None:
        return "nothing_restored" if nothing_restored(drill) else "unknown"
    return "ok" if destroyed["ok"] else "bad"
