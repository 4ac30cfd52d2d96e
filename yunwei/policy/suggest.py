"""Near names for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the name most like `word`, or None.

    `likeness` runs from 0 to 1, as in `difflib`; the case of letters does not count.
    """
    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[found[0]] if found else None


def did_you_mean(word: object, names: Iterable[str]) -> str | None:
    """Return the sentence `Did you mean 'x'?` for the nearest of `names`, or None."""
    near = nearest(str(word), names)
    return f"Did you mean '{near}'?" if near else None
