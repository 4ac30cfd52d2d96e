"""The verdict in words, with what limits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from yunwei.report.schema import CHECKS, Check, Comparison, Drill, reason_text
from yunwei.report.units import Units
from yunwei.report.visible import decode_path

Mark = Literal["good", "bad", "unknown", "limited", "none"]
MOST_REASONS = 12
MOST_NAMES = 5  # of a kind, in the verdict; the differences list them all
_VERDICTS: dict[str, tuple[str, Mark]] = {
    "passed": ("passed", "good"),
    "failed": ("failed", "bad"),
    "could not judge": ("unknown", "unknown"),
}


@dataclass(frozen=True)
class VerdictView:
    """The word, its mark, what it means and what limits it."""

    key: str
    mark: Mark
    word: str
    sentence: str
    limit: str
    findings: list[str]
    reasons: list[tuple[str, str]]
    """What was recorded, and what to do next where that is known; once after reasons that share it."""
    more_reasons: int


def verdict_view(drill: Drill, units: Units) -> VerdictView:
    """Return the verdict's words; a pass below production size always carries its limit."""
    key, mark = _VERDICTS[drill["verdict"]]
    words, limit = units.words, ""
    sentence = "without_application" if key == "passed" and drill["probe"] is None else "sentence"
    if key == "passed" and drill["target_seconds"] is not None:
        limit = _size_limit(drill, units)
    found = [] if key == "passed" else findings(drill, units)
    reasons, more = _reasons(drill)
    if not reasons and not found and key != "passed":
        reasons = [(words("verdict.no_reason"), "")]
    said, word = words(f"verdict.{key}.{sentence}"), words(f"verdict.{key}.word")
    return VerdictView(key, mark, word, said, limit, found, reasons, more)


def _reasons(drill: Drill) -> tuple[list[tuple[str, str]], int]:
    """Return the first reasons that no finding tells, a shared next step only after its last, and the others' count."""
    found = {one["object"] for name in CHECKS if (check := drill[name]) for one in check["differences"]}
    others = [one for one in drill["reasons"] if isinstance(one, str) or one["object"] not in found]
    told = [(reason_text(one), "" if isinstance(one, str) else one["next"]) for one in others[:MOST_REASONS]]
    after = [*(step for _text, step in told[1:]), ""]
    shown = [(text, "" if step == next_one else step) for (text, step), next_one in zip(told, after, strict=False)]
    return shown, len(others) - len(told)


def findings(drill: Drill, units: Units) -> list[str]:
    """Return what speaks against a pass, in the page's language and from the figures alone."""
    words = units.words
    found = []
    for name in CHECKS:
        check = drill[name]
        if check is not None and (different := different_count(check)):
            told = words("finding.different", kind=words(f"check.{name}"), n=units.count(different))
            found.append(told + words("page.colon") + _names(name, check, different, units))
    missing = [words(f"check.{name}") for name in CHECKS if drill[name] is None]
    if missing:
        found.append(words("finding.not_compared", kinds=words("page.list_comma").join(missing)))
    probe, destroyed = drill["probe"], drill["destroyed"]
    if probe is not None and not probe["ok"]:
        found.append(words("finding.probe"))
    if destroyed is not None and not destroyed["ok"]:
        found.append(words("destroyed.bad"))
    found += _beyond(drill["total_seconds"], drill["target_seconds"], "rto.name", units)
    return found + _beyond(drill["rpo_seconds"], drill["rpo_target_seconds"], "rpo.name", units)


def _names(name: Check, check: Comparison, different: int, units: Units) -> str:
    """Return the first differing objects by name."""
    objects = [one["object"] for one in check["differences"][:MOST_NAMES]]
    names = [decode_path(one) for one in objects] if name == "files" else objects
    rest = ["…"] if different > len(names) else []
    return units.words("page.list_comma").join(names + rest)


def _beyond(measured: float | None, target: float | None, name: str, units: Units) -> list[str]:
    if measured is None:
        return [units.words("finding.unmeasured", name=units.words(name))]
    if target is None or measured <= target:
        return []
    told = {"measured": units.duration(measured), "target": units.duration(target)}
    return [units.words("finding.beyond", name=units.words(name), **told)]


def different_count(check: Comparison) -> int:
    """Return how many are not equal: missing, changed and extra ones."""
    return max(check["expected"] - check["equal"], len(check["differences"]), check.get("different", 0))


def nothing_restored(drill: Drill) -> bool:
    """Return whether the drill ended before any data could have reached the drill host."""
    return drill["destroyed"] is None and {phase["name"] for phase in drill["phases"]} <= {"locate"}


def _size_limit(drill: Drill, units: Units) -> str:
    drilled, production = drill["drilled_bytes"], drill["production_bytes"]
    if at_production_size(drill):
        return ""
    if drilled is None or production is None:
        return units.words("verdict.size_unknown")
    return units.words("verdict.small", drilled=units.size(drilled), production=units.size(production))


def at_production_size(drill: Drill) -> bool:
    """Return whether at least as much was restored as production holds; unknown sizes never count."""
    drilled, production = drill["drilled_bytes"], drill["production_bytes"]
    return drilled is not None and production is not None and 0 < production <= drilled
