"""A policy file as it was read, before anybody knows whether it is valid: every look inside tolerates nonsense.

The checks that need more than one key work on drafts, so that a misspelt key in one place does not hide a misspelt
host in another until the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from yunwei.policy.base import Model
from yunwei.policy.problems import Problem, key_path

Shape = TypeVar("Shape", bound=Model)


@dataclass(frozen=True)
class Draft(Generic[Shape]):
    """A file's content, and its model where the structure was right."""

    file: str
    content: Mapping[str, Any]
    model: Shape | None = None

    def problem(self, place: tuple[str | int, ...], found: str, allowed: str, hint: str | None = None) -> Problem:
        """Return a problem at a place of this file."""
        return Problem(self.file, key_path(place), found, allowed, hint)

    def text(self, key: str) -> str | None:
        """Return the text below a key, None where there is none."""
        return text(self.content, key)

    def each(self, key: str) -> Iterator[tuple[tuple[str, int], Mapping[str, Any]]]:
        """Yield place and content of every mapping in the list below a key."""
        for index, content in enumerate(sequence(self.content, key)):
            if isinstance(content, Mapping):
                yield (key, index), content


def text(content: Mapping[str, Any], key: str) -> str | None:
    """Return the text below a key, None where there is something else."""
    value = content.get(key)
    return value if isinstance(value, str) else None


def mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the mapping below a key, an empty one where there is something else."""
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def sequence(content: Mapping[str, Any], key: str) -> list[Any]:
    """Return the list below a key, an empty one where there is something else."""
    value = content.get(key)
    return value if isinstance(value, list) else []


def number(content: Mapping[str, Any], key: str) -> int | None:
    """Return the whole number below a key, None where there is something else."""
    value = content.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
