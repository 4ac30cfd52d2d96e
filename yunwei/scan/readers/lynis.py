"""Lynis `report.dat`: lines `key=value`; it knows no severities."""

from __future__ import annotations

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.lines import opened_text
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost
from yunwei.scan.source import Source
from yunwei.scan.text import safe_prose

_MOST_OF_A_LINE = 1 << 20
_FINDINGS = ("warning[]", "suggestion[]")


def read(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read a report; each warning and each suggestion is a finding of unknown severity."""
    draft.about = About("lynis", "lynis-dat")
    host = ScannedHost("lynis")
    number = draft.host(host)
    facts: dict[str, str] = {}
    with opened_text(source, encoding) as text:
        for line_number, line in enumerate(iter(lambda: text.readline(_MOST_OF_A_LINE), ""), 1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            key, found, value = stripped.partition("=")
            if not found or len(line) >= _MOST_OF_A_LINE:
                raise ReportRefusedError("no line `key=value`", f"{source.name}, line {line_number}")
            if key in _FINDINGS:
                draft.finding(_finding(key, value, number))
            else:
                facts.setdefault(key, value[:1000])
    host.name = facts.get("hostname", "lynis")
    host.names = [facts[key] for key in ("hostname",) if facts.get(key)]
    host.os = facts.get("os_fullname", "")
    host.credentialed = True  # it runs on the host itself
    draft.about.started = facts.get("report_datetime_start")
    draft.about.finished = facts.get("report_datetime_end")
    if facts.get("finish") != "true":
        raise ReportRefusedError(
            "there is no finish=true in it: the audit was broken off or the file is cut off; export it once more",
            source.name,
        )


def _finding(key: str, value: str, number: int) -> Finding:
    rule, words, detail, advice = [*value.split("|"), "", "", "", ""][:4]
    kind = key.removesuffix("[]")
    identity = rule if detail in ("", "-") else f"{rule}/{safe_prose(detail)}"
    return Finding(
        number,
        identity,
        words,
        severity_of(""),
        kind,
        evidence=kind,
        description=safe_prose(detail.strip("-")),
        solution=safe_prose(advice.strip("-")),
    )
