"""The one table of severity words. A severity is the scanner's own; nothing is derived from CVSS numbers."""

from __future__ import annotations

import unicodedata

from yunwei.scan.shapes import Severity

_WORDS: dict[Severity, tuple[str, ...]] = {
    "critical": ("critical", "4", "危急", "紧急", "严重", "超危"),
    "high": ("high", "important", "3", "高", "高危", "高风险", "高危险", "高危漏洞"),
    "medium": ("medium", "moderate", "middle", "2", "中", "中危", "中风险", "中危险", "中危漏洞"),
    "low": ("low", "negligible", "1", "低", "低危", "低风险", "低危险", "低危漏洞"),
    "info": ("info", "informational", "none", "log", "debug", "0", "信息", "提示", "信息级"),
    "unknown": ("unknown", "", "-"),
}
_SEVERITIES: dict[str, Severity] = {word: severity for severity, words in _WORDS.items() for word in words}
_BRACKETS = str.maketrans("", "", "[]【】")


def is_known(word: str) -> bool:
    """Tell whether the table has the word."""
    return _plain(word) in _SEVERITIES


def severity_of(word: str) -> Severity:
    """Return the severity of a whole cell; a word that the table lacks is `unknown`, never guessed by a part of it."""
    return _SEVERITIES.get(word) or _SEVERITIES.get(_plain(word), "unknown")


def rsas_severity(points: str) -> Severity:
    """Return the severity of NSFOCUS risk points, which are 0 to 10: high from 7, medium from 4, low below.

    Source: the legend of the product's own reports. It knows no level above high.
    """
    try:
        number = float(points)
    except ValueError:
        return "unknown"
    if not 0 <= number <= 10:
        return "unknown"
    return "high" if number >= 7 else "medium" if number >= 4 else "low"


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).translate(_BRACKETS).strip().casefold()
