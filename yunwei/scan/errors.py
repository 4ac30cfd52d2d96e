"""What is wrong with a report; every fault refuses it whole."""

from __future__ import annotations

from yunwei.errors import YunweiError


class ReportRefusedError(YunweiError):
    """A report that is not read: damaged, of no known format, or dangerous; the message names the place."""

    def __init__(self, reason: str, place: str = "") -> None:
        self.reason, self.place = reason, place
        super().__init__(f"{place}: {reason}" if place else reason)


def said_by(error: Exception) -> str:
    """Return an error's words in one line, without the advice that Python gives to programmers."""
    return " ".join(str(error).partition("; use sys.")[0].split())[:200]


class WrongEncodingError(ReportRefusedError):
    """Bytes that are not of the encoding that the report declares; it may be read once more as GB18030."""
