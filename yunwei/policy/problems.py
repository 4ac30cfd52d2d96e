"""What is wrong with an inventory: a list of plain problems, never only the first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yunwei import errors


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    `file` is relative to the inventory's folder, `path` leads to the key (`databases[0].host`). `stops` is False for
    what came by the passing of time alone, such as a permission that has expired: the rule that needs it is refused,
    but backups go on.
    """

    file: str
    path: str
    found: str
    allowed: str
    hint: str | None = None
    stops: bool = True

    def __str__(self) -> str:
        """Return the problem as one line: where, what was found, what is allowed, what to do."""
        where = f"{self.file}: {self.path}" if self.path else self.file
        hint = f" {self.hint}" if self.hint else ""
        return f"{where}: found {self.found}; allowed: {self.allowed}.{hint}"


class PolicyError(errors.PolicyError):
    """The inventory cannot be used; `problems` holds every problem found, `str()` all of them, one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def key_path(parts: Iterable[str | int]) -> str:
    """Return `databases[0].host` for ("databases", 0, "host")."""
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def shown(value: object) -> str:
    """Return a found value as a person would write it, cut to a readable length."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return f"{'a mapping' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
