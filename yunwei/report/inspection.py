"""The inspection's page, and its lines for a terminal: each check's cause told in the words of a language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from yunwei.report.proof import version_lines
from yunwei.report.render import environment
from yunwei.report.schema import LedgerHead, Names, ReportError
from yunwei.report.units import Units
from yunwei.report.verdict import Mark
from yunwei.report.visible import plain
from yunwei.report.words import Words, load_words

Verdict = Literal["passed", "findings", "could not judge"]
_SEVERITIES = ("high", "medium", "low")
_CLASSES: Mapping[str, tuple[str, Mark]] = {
    "passed": ("passed", "good"),
    "findings": ("failed", "bad"),
    "could not judge": ("unknown", "unknown"),
}
_MARKS: Mapping[str, Mark] = {"good": "good", "finding": "bad", "unknown": "unknown", "none": "none"}
_closed = with_config(ConfigDict(extra="forbid", strict=True))


@_closed
class CheckLine(TypedDict):
    """One check; `evidence` and `advice` are in English, `cause` and `values` tell the same in any language."""

    place: str
    what: str
    status: Literal["good", "finding", "unknown", "none"]
    severity: Literal["high", "medium", "low"] | None
    cause: str
    values: dict[str, Any]
    evidence: str
    advice: str | None


@_closed
class Inspection(TypedDict):
    """An inspection as `inspect.json` holds it, format 1; `measures` is what the next one compares with."""

    format: Literal[1]
    verdict: Verdict
    estate: str
    sites: list[Literal["local", "miyun"]]
    systems: dict[str, Names]
    started: str
    finished: str
    timezone: str
    checks: Annotated[list[CheckLine], Field(min_length=1)]
    measures: dict[str, dict[str, Any]]
    evidence_id: str
    ledger_head: LedgerHead
    versions: dict[str, Any]


@dataclass(frozen=True)
class Line:
    """A check as the page shows it."""

    place: str
    label: str
    mark: Mark
    severity: str
    evidence: str
    advice: str


_INSPECTION: TypeAdapter[Inspection] = TypeAdapter(Inspection)
_INSTANT: TypeAdapter[AwareDatetime] = TypeAdapter(AwareDatetime)


def inspection_words(lang: str) -> Words:
    """Return the texts of the inspection's report; raises UsageError for an unknown language."""
    return load_words(lang, "inspection")


def tell(cause: str, values: Mapping[str, Any], units: Units) -> str:
    """Return a cause's sentence; a value's unit is the end of its name."""
    return units.words(f"inspection.said.{cause}", **{key: _value(key, value, units) for key, value in values.items()})


def advise(cause: str, units: Units) -> str:
    """Return what to do about a finding or about what could not be judged."""
    return units.words(f"inspection.advice.{cause}")


def check_inspection(document: Mapping[str, Any]) -> Inspection:
    """Return the document when its keys, values and verdict hold together.

    Raises ReportError: a page must never carry a verdict that its own lines deny.
    """
    try:
        found = _INSPECTION.validate_python(dict(document))
        for key in ("started", "finished"):
            _INSTANT.validate_python(document[key])
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ReportError("inspect.json does not have the keys of format 1:\n  " + "\n  ".join(wrong)) from None
    statuses = {check["status"] for check in found["checks"]}
    expected = "findings" if "finding" in statuses else "could not judge" if "unknown" in statuses else "passed"
    if found["verdict"] != expected:
        raise ReportError(f"inspect.json says {found['verdict']!r}, but its checks come to {expected!r}")
    return found


def render_inspection(document: Mapping[str, Any], lang: str = "zh") -> str:
    """Return the report as one HTML page without outside parts; raises ReportError, UsageError."""
    found = check_inspection(document)
    return environment().get_template("inspection.html.j2").render(_context(found, lang))


def summary_text(document: Mapping[str, Any], lang: str = "zh") -> str:
    """Return the verdict, the findings and what could not be judged, for a terminal; raises as `render_inspection`."""
    found = check_inspection(document)
    units = _units(found, lang)
    words = units.words
    lines = [f"{words(_word(found))} · {plain(found['estate'])}", words("inspection.counts", **_counts(found))]
    for line in [*_lines(found, "finding", units), *_lines(found, "unknown", units)]:
        lines.append(f"  - {plain(_join([line.severity, line.place, line.label], ' · '))}: {plain(line.evidence)}")
        lines.append(f"    {words('verdict.next', step=line.advice)}")
    return "\n".join([*lines, words("summary.evidence", id=plain(found["evidence_id"]))])


def _context(found: Inspection, lang: str) -> dict[str, Any]:
    units = _units(found, lang)
    key, mark = _CLASSES[found["verdict"]]
    places = list(dict.fromkeys(check["place"] for check in found["checks"]))
    return {
        "w": units.words,
        "u": units,
        "inspection": found,
        "verdict": {"key": key, "mark": mark, "word": units.words(_word(found))},
        "sentence": units.words(_word(found).replace(".word", ".sentence")),
        "counts": units.words("inspection.counts", **_counts(found)),
        "sites": [units.words(f"site.{site}") for site in found["sites"]],
        "systems": [_system(found, system, units) for system in found["systems"]],
        "findings": _lines(found, "finding", units),
        "unknowns": _lines(found, "unknown", units),
        "places": [(_place(found, place, units), _of_place(found, place, units)) for place in places],
        "versions": version_lines(found["versions"], units),
        "margin_id": found["evidence_id"],
    }


def _units(found: Inspection, lang: str) -> Units:
    return Units(inspection_words(lang), found["timezone"])


def _word(found: Inspection) -> str:
    key = {"could not judge": "unknown"}.get(found["verdict"], found["verdict"])
    return f"inspection.verdict.{key}.word"


def _counts(found: Inspection) -> dict[str, int]:
    statuses: list[str] = [check["status"] for check in found["checks"]]
    return {status: statuses.count(status) for status in ("good", "finding", "unknown", "none")}


def _lines(found: Inspection, status: str, units: Units) -> list[Line]:
    """Return the lines of one status, the gravest first."""
    chosen = [check for check in found["checks"] if check["status"] == status]
    chosen.sort(key=lambda check: _SEVERITIES.index(check["severity"] or "low"))
    return [_line(found, check, units) for check in chosen]


def _of_place(found: Inspection, place: str, units: Units) -> list[Line]:
    return [_line(found, check, units) for check in found["checks"] if check["place"] == place]


def _line(found: Inspection, check: CheckLine, units: Units) -> Line:
    settled = check["status"] in ("good", "none")
    return Line(
        place=_place(found, check["place"], units),
        label=units.words(f"inspection.what.{check['what']}"),
        mark=_MARKS[check["status"]],
        severity=units.words(f"inspection.severity.{check['severity']}") if check["severity"] else "",
        evidence=tell(check["cause"], check["values"], units),
        advice="" if settled else advise(check["cause"], units),
    )


def _place(found: Inspection, place: str, units: Units) -> str:
    """Return `miyun/mediation` in the page's language."""
    names = [_part(found, part, units) for part in place.split("/")]
    return " · ".join(names)


def _part(found: Inspection, part: str, units: Units) -> str:
    if part == "controller":
        return units.words("inspection.controller")
    return units.words(f"site.{part}") if part in ("local", "miyun") else _system(found, part, units)


def _system(found: Inspection, system: str, units: Units) -> str:
    return found["systems"][system]["zh" if units.words.lang == "zh" else "en"]


def _join(parts: Iterable[str], between: str) -> str:
    return between.join(part for part in parts if part)


def _value(key: str, value: Any, units: Units) -> str:
    if isinstance(value, list):
        return units.words("page.list_comma").join(map(str, value)) or units.words("inspection.nothing")
    unit = key.rpartition("_")[2]
    if unit == "seconds":
        return units.duration(value)
    if unit == "bytes":
        return units.size(value)
    if unit == "count":
        return units.count(value)
    return f"{value} %" if unit == "percent" else str(value)
