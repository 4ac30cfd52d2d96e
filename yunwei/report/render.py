"""Writes a drill's document out: one self-contained HTML page, or a short verdict for the terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from yunwei.report import checks, targets, timeline
from yunwei.report.proof import destroyed_lines, proof_lines, version_lines
from yunwei.report.schema import CHECKS, Drill, check_drill
from yunwei.report.summary import summary_lines
from yunwei.report.units import Units
from yunwei.report.verdict import at_production_size, nothing_restored, verdict_view
from yunwei.report.visible import plain, shown
from yunwei.report.words import load_words

MOST_DESTROYED = 40
_SAFE_IN_CSS = re.compile(r"[A-Za-z0-9._:-]{1,80}")  # an id outside of this is not printed in the page margin


def render_drill(document: Mapping[str, Any], lang: str = "zh") -> str:
    """Return the report of a drill (keys as in `schema.Drill`) as one HTML page without outside parts.

    The same document gives the same bytes. Raises ReportError for a document that is not sound,
    UsageError for an unknown language.
    """
    drill = check_drill(document)
    return environment().get_template("drill.html.j2").render(_context(drill, lang))


def render_summary_text(document: Mapping[str, Any], lang: str = "zh") -> str:
    """Return the verdict in a few lines for a terminal; raises as `render_drill`."""
    drill = check_drill(document)
    return "\n".join(summary_lines(drill, _units(drill, lang)))


def write_report(document: Mapping[str, Any], path: Path, lang: str = "zh") -> None:
    """Write the page to a path, whole or not at all; raises as `render_drill`, and OSError."""
    write_page(render_drill(document, lang), path)


def write_page(page: str, path: Path) -> None:
    """Write a text to a path, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(page, encoding="utf-8")
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _units(drill: Drill, lang: str) -> Units:
    return Units(load_words(lang), drill.get("timezone"))


def _context(drill: Drill, lang: str) -> dict[str, Any]:
    units = _units(drill, lang)
    destroyed = drill["destroyed"]
    return {
        "w": units.words,
        "u": units,
        "drill": drill,
        "name": drill["system_name"]["zh" if lang == "zh" else "en"],
        "verdict": verdict_view(drill, units),
        "snapshots": [(_item_label(item, units), record) for item, record in sorted(drill["snapshot"].items())],
        "targets": [targets.rto_view(drill, units), targets.rpo_view(drill, units)],
        "forecast": targets.forecast_text(drill.get("forecast"), units),
        "chart": timeline.lay_out(drill, units),
        "geometry": timeline,
        "full_size": at_production_size(drill),
        "share": _share(drill, units),
        "checks": checks.check_views(drill, units),
        "differences": checks.difference_groups(drill, units),
        "all_compared": all(drill[name] is not None for name in CHECKS),
        "nothing_restored": nothing_restored(drill),
        "versions": version_lines(drill["versions"], units),
        "proof": proof_lines(destroyed["proof"], units) if destroyed else [],
        "destroyed_shown": destroyed_lines(destroyed["what"][:MOST_DESTROYED], units) if destroyed else [],
        "margin_id": drill["evidence_id"] if _SAFE_IN_CSS.fullmatch(drill["evidence_id"]) else "",
    }


def _share(drill: Drill, units: Units) -> tuple[str, float] | None:
    """Return the drilled part of production as text and as a number up to 100, where both sizes are known."""
    drilled, production = drill["drilled_bytes"], drill["production_bytes"]
    if drilled is None or not production:
        return None
    return units.share(drilled, production), min(100.0, 100 * drilled / production)


def _item_label(item: str, units: Units) -> str:
    """Return `database:mediation` in the page's language; an unknown kind stays as it is."""
    kind, _, name = item.partition(":")
    known = units.words.get(f"facts.{kind}", "") if kind in {"database", "files"} else ""
    return f"{known} {name}" if known else item


@cache
def environment() -> Environment:
    """Return the templates' environment: escaping on, unknown names refused, hidden characters shown."""
    environment = Environment(
        loader=PackageLoader("yunwei.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["text"] = checks.value_text
    return environment


def _finalize(value: Any) -> Any:
    """Make hidden characters visible in whatever a template prints, so that no place can forget it."""
    return plain(value) if type(value) is str else value
