"""What was verified, and what differs, as rows of text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from yunwei.report.schema import CHECKS, Check, Comparison, Drill
from yunwei.report.units import Units
from yunwei.report.verdict import Mark, different_count
from yunwei.report.visible import decode_path

MOST_DIFFERENCES = 100  # a kind; a page of thousands is not read


@dataclass(frozen=True)
class CheckView:
    """One line of what was verified."""

    name: str
    detail: str
    expected: str
    equal: str
    different: str
    mark: Mark
    result: str


@dataclass(frozen=True)
class DifferenceGroup:
    """The differences of one kind: rows of (object, expected, found) and how many are left out."""

    heading: str
    rows: list[tuple[str, str, str]]
    more: int


def check_views(drill: Drill, units: Units) -> list[CheckView]:
    """Return one line for every kind the manifest knows, compared or not."""
    return [_check_view(name, drill[name], units) for name in CHECKS]


def _check_view(name: Check, check: Comparison | None, units: Units) -> CheckView:
    words = units.words
    label = words(f"check.{name}")
    if check is None:
        return CheckView(label, "", "–", "–", "–", "unknown", words("checks.unknown"))
    different = different_count(check)
    mark: Mark = "bad" if different else ("good" if check["expected"] else "none")
    result = {"bad": "checks.differs", "good": "checks.same", "none": "checks.empty"}[mark]
    details = [words("checks.rows", n=units.count(check["rows"]))] if "rows" in check else []
    details += [words("checks.bytes", n=units.size(check["bytes"]))] if "bytes" in check else []
    figures = (units.count(check["expected"]), units.count(check["equal"]), units.count(different))
    return CheckView(label, words("page.and").join(details), *figures, mark, words(result))


def difference_groups(drill: Drill, units: Units) -> list[DifferenceGroup]:
    """Return the differences by kind, file names decoded, long lists cut with their rest counted."""
    groups = []
    for name in CHECKS:
        check = drill[name]
        if check is None or not check["differences"]:
            continue
        found, different = check["differences"][:MOST_DIFFERENCES], different_count(check)
        heading = units.words("differences.count", kind=units.words(f"check.{name}"), n=units.count(different))
        rows = [
            (
                decode_path(one["object"]) if name == "files" else one["object"],
                value_text(one["expected"], units.words("differences.absent")),
                value_text(one["found"], units.words("differences.absent")),
            )
            for one in found
        ]
        groups.append(DifferenceGroup(heading, rows, different - len(found)))
    return groups


def value_text(value: Any, absent: str) -> str:
    """Return a JSON value as text: strings bare, null in words, mappings as `key: value`, the rest as JSON."""
    if value is None:
        return absent
    if isinstance(value, dict):
        return "; ".join(f"{key}: {value_text(one, absent)}" for key, one in sorted(value.items()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
