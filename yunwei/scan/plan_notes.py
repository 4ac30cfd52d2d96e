"""What people wrote to findings in an earlier plan, carried into a new one: `note` beside a finding's `id`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from yunwei.errors import UsageError
from yunwei.policy.yaml_files import read_mapping
from yunwei.scan.visible import visible

_FINDING = re.compile(r"f-[0-9a-f]{16}")
_LEFT = "notes_without_finding"
_PARTS = ("hosts", "not_in_inventory", _LEFT)


def notes_in(path: Path) -> dict[str, str]:
    """Return the notes of a plan's file by finding; where a finding stands in several steps, each different one.

    Raises UsageError where the file is no plan, or a note is no text beside a finding's id.
    """
    plan, problems = read_mapping(path, str(path))
    if problems:
        raise UsageError(f"{problems[0]}. Nothing was planned.")
    if not isinstance(plan.get("report"), dict) or not isinstance(plan.get("hosts"), list):
        raise UsageError(f"{path} is no plan of `yunwei scan plan`: it has no report or no hosts. Nothing was planned.")
    found: dict[str, list[str]] = {}
    for row in (row for part in _PARTS for row in _mappings(plan.get(part)) if "note" in row):
        finding, note = row.get("id"), row["note"]
        if not isinstance(finding, str) or not _FINDING.fullmatch(finding) or not isinstance(note, str):
            raise UsageError(
                f"{path}: found the note {note!r} beside the id {finding!r}; a note is text in the row of a finding, "
                f"whose id is such as f-0123456789abcdef. Nothing was planned."
            )
        found.setdefault(finding, []).append(note)
    return {finding: "\n".join(dict.fromkeys(notes)) for finding, notes in found.items()}


def with_notes(plan: Mapping[str, Any], notes: Mapping[str, str]) -> dict[str, Any]:
    """Return a plan with the notes in the rows of their findings; those of findings that it has not are at its end."""
    left = dict(notes)
    for row in (row for part in _PARTS for row in _mappings(plan.get(part))):
        if row.get("id") in notes:
            row["note"] = visible(notes[row["id"]])
            left.pop(row["id"], None)
    rest = [{"id": finding, "note": visible(note)} for finding, note in sorted(left.items())]
    return {**plan, **({_LEFT: rest} if rest else {})}


def _mappings(value: object, seen: set[int] | None = None) -> Iterator[dict[str, Any]]:
    """Yield every mapping in plain data, each once: an alias may point at itself."""
    seen = set() if seen is None else seen
    if id(value) in seen or not isinstance(value, dict | list):
        return
    seen.add(id(value))
    if isinstance(value, dict):
        yield value
    for one in list(value.values()) if isinstance(value, dict) else value:
        yield from _mappings(one, seen)
