"""`yunwei scan import`: read a report, count, match its hosts to the inventory, store it whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from yunwei.errors import UsageError
from yunwei.policy import Policy
from yunwei.report.visible import plain
from yunwei.scan.detect import Read, reader_of
from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError, WrongEncodingError, said_by
from yunwei.scan.match import Match, match
from yunwei.scan.source import ReportFile, Source, open_report
from yunwei.scan.store import Document, Store

# What `scan import --json` prints of each report, no more and no less.
PRINTED = (
    "file", "sha256", "scanner", "format", "started", "finished", "hosts", "findings", "cves", "declared",
    "unmatched_hosts", "warnings",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of one file: its document, or why it was refused."""

    file: str
    document: Document | None
    refused: str = ""


def import_reports(paths: Sequence[Path], policy: Policy, host: str | None, store: Store) -> list[Outcome]:
    """Import files one by one; a refused report leaves nothing and does not hinder the others.

    `host` names the inventory's host of reports on one host. Raises UsageError where a file or that host is not there.
    """
    if host is not None:
        policy.host(host)
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{path} is no file that can be read. Nothing was imported.")
    with store.writing():
        return [_Import(path, policy, host, store).run() for path in paths]


def printed(document: Document) -> Document:
    """Return what is printed of a report's document."""
    return {key: document[key] for key in PRINTED}


def report_id(sha256: str, host: str | None) -> str:
    """Return a report's id: the same bytes for the same host are the same report, whatever the file is called."""
    return "s-" + hashlib.sha256(f"{sha256}\0{host or ''}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Import:
    """The import of one file."""

    path: Path
    policy: Policy
    host: str | None
    store: Store

    def run(self) -> Outcome:
        """Read and store; a refused report leaves nothing."""
        file = _shown(self.path)
        try:
            with open_report(self.path) as report:
                source, read = reader_of(report.source)
                try:
                    document = self._stored(report, source, read, None)
                except WrongEncodingError:
                    document = self._stored(report, source, read, "gb18030")
        except ReportRefusedError as error:
            return Outcome(file, None, plain(str(error)))
        except (ValueError, OverflowError) as error:
            # A number of too many digits, half a character: well-formed, and neither Python nor SQLite holds it.
            reason = f"a value in it cannot be read: {said_by(error)}. The report is damaged; export it once more"
            return Outcome(file, None, plain(str(ReportRefusedError(reason, self.path.name))))
        return Outcome(file, document)

    def _stored(self, report: ReportFile, source: Source, read: Read, encoding: str | None) -> Document:
        """Store a report. One that is there is read again: the inventory may have learnt its hosts since."""
        identity = report_id(report.sha256, self.host)
        known = self.store.known(identity)
        with self.store.drafting(identity) as draft:
            if known is not None:
                draft.warn(f"imported before as {identity}, on {known['imported'][:10]}; its hosts were matched anew")
            if encoding:
                draft.warn(f"its bytes are {encoding}, not what it declares; it was read as {encoding}")
            read(source, draft, encoding)
            matches = self._matches(draft, source.name)
            document = _document(self.path, report, draft, matches, identity)
            if known is not None:
                document["imported"] = known["imported"]
            draft.finish(document, [one.host for one in matches])
            self.store.keep(identity)
        return document

    def _matches(self, draft: Draft, place: str) -> list[Match]:
        found = match(draft.hosts, self.policy.hosts)
        if self.host is None:
            return found
        if len(found) != 1:
            reason = f"it is on {len(found)} hosts, and --host {self.host} is for a report on one"
            raise ReportRefusedError(reason, place)
        if found[0].host not in (None, self.host):
            raise ReportRefusedError(f"it is on {found[0].host} by its own words, and --host says {self.host}", place)
        return [Match(self.host)]


def _shown(path: Path) -> str:
    """Return a path as text that can be stored: bytes that are no UTF-8 are written out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _document(path: Path, report: ReportFile, draft: Draft, matches: Sequence[Match], identity: str) -> Document:
    about, counts = draft.about, draft.counts()
    unmatched = [
        (plain(found.name), one.reason) for found, one in zip(draft.hosts, matches, strict=True) if one.host is None
    ]
    warnings = [
        *(plain(text) for text in draft.all_warnings()),
        *_total_warnings(about.declared, counts, len(draft.hosts)),
        *(f"{name}: not matched: {reason}" for name, reason in unmatched[:50]),
        *_twice(matches),
    ]
    return {
        "id": identity,
        "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        "file": _shown(path),
        "sha256": report.sha256,
        "scanner": about.scanner,
        "format": about.format,
        "started": plain(about.started) if about.started else None,
        "finished": plain(about.finished) if about.finished else None,
        "scope": plain(about.scope),
        "hosts": len(draft.hosts),
        "findings": counts,
        "cves": draft.cves(),
        "declared": about.declared or None,
        "complete": about.complete and sum(counts.values()) >= about.declared.get("findings", 0),
        "unmatched_hosts": [name for name, _ in unmatched],
        "warnings": warnings,
    }


def _total_warnings(declared: Mapping[str, int], counts: Mapping[str, int], hosts: int) -> list[str]:
    parsed = {"findings": sum(counts.values()), "hosts": hosts}
    return [
        f"the report declares {number} {what}, it holds {parsed[what]}"
        for what, number in declared.items()
        if number != parsed[what]
    ]


def _twice(matches: Sequence[Match]) -> list[str]:
    names: dict[str, int] = {}
    for one in matches:
        if one.host is not None:
            names[one.host] = names.get(one.host, 0) + 1
    return [f"{name} is in the report {count} times" for name, count in sorted(names.items()) if count > 1]
