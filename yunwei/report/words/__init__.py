"""The report's texts: one YAML file a language, the same keys in each."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml

from yunwei.errors import UsageError

LANGUAGES = ("zh", "en")


class Words:
    """The texts of one language, found by dotted key."""

    def __init__(self, lang: str, texts: dict[str, Any]) -> None:
        self.lang = lang
        self.texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a dotted key with its places filled; raises KeyError for an unknown one."""
        found: Any = self.texts
        for part in key.split("."):
            found = found[part]
        if not isinstance(found, str):
            raise KeyError(key)
        return found.format(**values)

    def get(self, key: str, otherwise: str) -> str:
        """Return the text of a key whose last part comes from a document, or what stands in for it."""
        try:
            return self(key)
        except (KeyError, TypeError):
            return otherwise


@cache
def load_words(lang: str, report: str = "") -> Words:
    """Return the texts of `zh` or `en`, with those of a report that has a folder of its own under that name.

    Raises UsageError for another language.
    """
    if lang not in LANGUAGES:
        raise UsageError(f"no report in language {lang!r}; allowed are {' and '.join(LANGUAGES)}")
    texts = _read(f"{lang}.yml")
    return Words(lang, {**texts, report: _read(f"{report}/{lang}.yml")} if report else texts)


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
    return found
