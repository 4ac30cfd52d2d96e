"""One line of an inspection: what was looked at, what was found, and how bad that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["good", "finding", "unknown", "none"]
Severity = Literal["high", "medium", "low"]
DAY = 86400


@dataclass(frozen=True)
class Check:
    """One line: `what` names its subject in the words files, `cause` its sentence there, with `values` in its places.

    `place` is a site, `<site>/<system>`, a system or the controller. Status `none` is a first measurement: nothing to
    compare it with yet.
    """

    place: str
    what: str
    status: Status
    cause: str
    values: dict[str, Any] = field(default_factory=dict)
    severity: Severity | None = None


def good(place: str, what: str, **values: Any) -> Check:
    """Return a line for what is as policy wants it."""
    return Check(place, what, "good", f"{what}_good", values)


def finding(place: str, cause: str, severity: Severity, **values: Any) -> Check:
    """Return a line for what is beyond policy; the cause's first word is its subject."""
    return Check(place, cause.partition("_")[0], "finding", cause, values, severity)


def unknown(place: str, cause: str, **values: Any) -> Check:
    """Return a line for what could not be judged."""
    return Check(place, cause.partition("_")[0], "unknown", cause, values)


def unread(place: str, what: str, reason: str) -> Check:
    """Return a line for a fact that the site could not read or did not give."""
    return Check(place, what, "unknown", "unread", {"reason": reason or "?"})


def verdict(checks: Iterable[Check]) -> Literal["passed", "findings", "could not judge"]:
    """Return what all lines come to; without any line nothing was judged."""
    found = {check.status for check in checks}
    if "finding" in found:
        return "findings"
    return "could not judge" if "unknown" in found or not found else "passed"
