"""Text of reports for people: what is hidden in it is written out, its lines stay lines."""

from __future__ import annotations

from typing import Any

from yunwei.report.visible import plain


def visible(value: Any) -> Any:
    """Return plain data with what is hidden in its texts made visible; line ends stay."""
    if isinstance(value, str):
        return "\n".join(plain(line) for line in value.replace("\r\n", "\n").replace("\t", " ").split("\n"))
    if isinstance(value, dict):
        return {key: visible(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [visible(one) for one in value]
    return value
