"""Hostile text made visible: what a name hides from the eye is written out by its code point.

Names of tables and files come from the systems under test. Control characters, direction
overrides, zero-width and unassigned characters could make one name look like another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from markupsafe import Markup, escape

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_PLAIN_SPACES = {" ", "\u3000"}  # the ordinary and the ideographic space
_MOST_MARKS = 2  # longer piles of combining marks paint over neighbouring lines


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield (character or its code point, whether it is a code point) over the text."""
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        strange_space = category == "Zs" and character not in _PLAIN_SPACES
        if category in _HIDDEN or strange_space or marks > _MOST_MARKS:
            yield code_point(character), True
        else:
            yield character, False


def code_point(character: str) -> str:
    """Return `U+202E` for a character and `\\xFF` for a byte that was not UTF-8."""
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # surrogateescape
        return f"\\x{number - 0xDC00:02X}"
    return f"U+{number:04X}"


def plain(text: str) -> str:
    """Return the text for a terminal or an attribute, hidden characters as `⟨U+202E⟩`."""
    return "".join(f"⟨{piece}⟩" if hidden else piece for piece, hidden in pieces(text))


def shown(text: object) -> Markup:
    """Return a document's value for the page: escaped, isolated in direction, what is hidden marked."""
    value = str(text)
    inner = value.strip(" ")
    before = len(value) - len(value.lstrip(" ")) if inner else 0
    space = ("U+0020", True)
    parts = [space] * before + list(pieces(inner)) + [space] * (len(value) - before - len(inner))
    marked = (Markup('<span class="hidden">{}</span>').format(one) if hidden else escape(one) for one, hidden in parts)
    return Markup("<bdi>{}</bdi>").format(Markup("").join(marked))


def decode_path(path: str) -> str:
    """Return a percent-encoded file name as text; bytes that are not UTF-8 stay tellable apart."""
    return unquote_to_bytes(path).decode("utf-8", "surrogateescape")
