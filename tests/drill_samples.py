"""Made-up drills, true to the schema: the report's samples."""

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent / "fixtures"
SAMPLES = sorted(path.stem for path in FIXTURES.glob("drill_*.json"))


def sample(name: str = "drill_passed") -> dict[str, Any]:
    """Return a sample's document, fresh each time."""
    document: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return document


def changed(path: list[str | int], value: Any, name: str = "drill_passed") -> dict[str, Any]:
    """Return a sample with one value replaced, found by its keys."""
    document = sample(name)
    place: Any = document
    *before, last = path
    for key in before:
        place = place[key]
    place[last] = value
    return document
