"""What readers find in a report, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Severity = Literal["critical", "high", "medium", "low", "info", "unknown"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info", "unknown")

# open: a finding, counted. passed: looked at and in order. unjudged: the scanner could not tell. noted: named by the
# report without being a finding (not selected, a detail that no port refers to). hinted: a script's words, whose CVE
# ids count though no finding does.
Status = Literal["open", "passed", "unjudged", "noted", "hinted"]


class Package(NamedTuple):
    """A package that a finding is about; versions as the report writes them, empty where it does not."""

    name: str
    installed: str = ""
    fixed: str = ""


class Finding(NamedTuple):
    """One finding on one host.

    `host` is the number that `Draft.host` gave, `rule` the scanner's own id, `port` None for the host as a whole,
    `item` the report's own line where one line stands for several hosts or several lines for one finding.
    """

    host: int
    rule: str
    name: str
    severity: Severity
    severity_raw: str = ""
    port: int | None = None
    protocol: str = ""
    service: str = ""
    cves: tuple[str, ...] = ()
    status: Status = "open"
    cvss: float | None = None
    evidence: str = ""
    packages: tuple[Package, ...] = ()
    family: str = ""
    description: str = ""
    solution: str = ""
    item: int | None = None


@dataclass
class ScannedHost:
    """A host as the report calls it; times as the report writes them, most without a zone.

    `ambiguous`: the report may mean several machines by this name, so it is never matched.
    """

    name: str
    addresses: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    os: str = ""
    scanned: bool = True
    ambiguous: bool = False
    credentialed: bool | None = None
    scope: str = ""
    started: str | None = None
    finished: str | None = None


@dataclass
class About:
    """What a report says of itself; `declared` are the totals that it claims.

    `complete` is False where something absent from the report may still be there: an unfinished scan, a page of many.
    """

    scanner: str
    format: str
    started: str | None = None
    finished: str | None = None
    scope: str = ""
    declared: dict[str, int] = field(default_factory=dict)
    complete: bool = True
