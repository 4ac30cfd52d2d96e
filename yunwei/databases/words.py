"""Findings in the words of a language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yunwei.report.units import Units
from yunwei.report.words import load_words

REPORT = "databases"
_RANK = {"high": 0, "medium": 1, "low": 2, "unknown": 3}


def explain(document: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Return the document with `what`, `said` and `advice` in each finding, and `what` in each unknown part."""
    return {**document, "databases": [_explain(one, lang) for one in document["databases"]]}


def _explain(database: Mapping[str, Any], lang: str) -> dict[str, Any]:
    words = load_words(lang, REPORT)
    findings = [_finding(one, lang) for one in database["findings"]]
    unknown = [
        {**one, "what": words.get(f"{REPORT}.part.{one['part']}", one["part"]),
         "advice": words(f"{REPORT}.unknown_advice")} for one in database["unknown"]
    ]  # fmt: skip
    return {**database, "findings": sorted(findings, key=lambda one: _RANK[one["severity"]]), "unknown": unknown}


def _finding(finding: Mapping[str, Any], lang: str) -> dict[str, Any]:
    words = load_words(lang, REPORT)
    place = f"{REPORT}.check.{finding['check']}"
    evidence = finding["evidence"]
    if "more" in evidence:
        said = words(f"{REPORT}.more", more=evidence["more"])
    else:
        said = words(f"{place}.evidence", **_values(evidence, Units(words)))
    return {**finding, "what": words(f"{place}.what"), "said": said, "advice": words(f"{place}.advice")}


def _values(evidence: Mapping[str, Any], units: Units) -> dict[str, Any]:
    """Return the values for a sentence: bytes in the unit a person would use."""
    found: dict[str, Any] = {}
    for name, value in evidence.items():
        is_size = name.endswith("bytes") and isinstance(value, int)
        shown = units.size(value) if is_size else "?" if value is None else value
        found[name] = found[name.removesuffix("_bytes")] = shown
    return found


def rows(document: Mapping[str, Any], lang: str) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table: database, severity, what, evidence, advice."""
    words = load_words(lang, REPORT)
    for database in document["databases"]:
        place = f"{database['host']} {database['item'].removeprefix('database:')}"
        for one in database["findings"]:
            thing = f": {one['object']}" if one["object"] else ""
            severity = words(f"{REPORT}.severity.{one['severity']}")
            yield place, severity, f"{one['what']}{thing}", one["said"], one["advice"]
        for one in database["unknown"]:
            yield place, words(f"{REPORT}.severity.unknown"), one["what"], one["reason"], one["advice"]


def summary(document: Mapping[str, Any], lang: str) -> str:
    """Return the last line."""
    words = load_words(lang, REPORT)
    counts = {name: sum(len(one[name]) for one in document["databases"]) for name in ("findings", "unknown")}
    verdict = words(
        f"{REPORT}.verdict.{'unknown' if document['verdict'] == 'could not judge' else document['verdict']}"
    )
    line = words(f"{REPORT}.counts", databases=len(document["databases"]), **counts)
    return f"{verdict}: {line}  run {document['run_id']}"
