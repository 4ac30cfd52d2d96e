"""A report while it is read: a SQLite file beside the store, which becomes a stored report whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yunwei.scan.shapes import SEVERITIES, About, Finding, ScannedHost
from yunwei.scan.text import safe_prose

_MOST_WARNINGS = 200
_BATCH = 5000
SCHEMA = """
CREATE TABLE report (document TEXT NOT NULL);
CREATE TABLE host (n INTEGER PRIMARY KEY, name TEXT NOT NULL, addresses TEXT NOT NULL, names TEXT NOT NULL,
    os TEXT NOT NULL, scanned INTEGER NOT NULL, credentialed INTEGER, scope TEXT NOT NULL, started TEXT, finished TEXT,
    inventory TEXT);
CREATE TABLE rule (id TEXT PRIMARY KEY, name TEXT NOT NULL, family TEXT NOT NULL, description TEXT NOT NULL,
    solution TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE finding (n INTEGER PRIMARY KEY, item INTEGER NOT NULL, host INTEGER NOT NULL, rule TEXT NOT NULL,
    port INTEGER, protocol TEXT NOT NULL, service TEXT NOT NULL, severity TEXT NOT NULL, severity_raw TEXT NOT NULL,
    status TEXT NOT NULL, cvss REAL, evidence TEXT NOT NULL, packages TEXT NOT NULL);
CREATE TABLE cve (finding INTEGER NOT NULL, id TEXT NOT NULL);
"""


class Draft:
    """Takes what a reader finds, in batches; counts as the report's own lines are counted."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        # The file is thrown away where anything fails: it needs no journal of its own.
        self._db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;")
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        self.about = About("", "")
        self.warnings: list[str] = []
        self._left_out = 0
        self.hosts: list[ScannedHost] = []
        self._numbers: dict[str, int] = {}
        self._rules: set[int] = set()
        self._findings: list[tuple[Any, ...]] = []
        self._cve_rows: list[tuple[int, str]] = []
        self._counted: Counter[str] = Counter()
        self._cves: set[str] = set()
        self._number = 0
        self._last_item: int | None = None
        self._merging = False

    def host(self, host: ScannedHost) -> int:
        """Take a host and return its number."""
        self.hosts.append(host)
        return len(self.hosts)

    def host_named(self, key: str, make: Callable[[], ScannedHost]) -> int:
        """Return the number of the host of this key, made where it is new: for reports of lines, not of hosts."""
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self.host(make())
        return number

    def merge_lines(self) -> None:
        """From now on lines of one host, port, protocol and rule are one finding; the first line's severity holds."""
        self._merging = True
        self._db.execute("CREATE UNIQUE INDEX finding_key ON finding (host, rule, ifnull(port, 0), protocol)")

    def knows(self, rule: str) -> bool:
        """Tell whether the words of a rule were taken already."""
        return hash(rule) in self._rules

    def finding(self, found: Finding) -> None:
        """Take a finding."""
        if self._merging:
            self._flush()
            known = self._known(found)
            if known is not None:
                self._add_cves(known, found)
                return
        self._number += 1
        item = self._number if found.item is None else -found.item
        if found.status == "open" and item != self._last_item:
            self._counted[found.severity] += 1
        self._last_item = item
        key = hash(found.rule)
        if key not in self._rules:
            self._rules.add(key)
            self._db.execute(
                "INSERT OR IGNORE INTO rule VALUES (?, ?, ?, ?, ?)",
                # Readers have made the long texts safe; names they hand on as the report has them.
                (found.rule, safe_prose(found.name), found.family, found.description, found.solution),
            )
        packages = json.dumps(found.packages, ensure_ascii=False) if found.packages else ""
        self._findings.append(
            (self._number, item, found.host, found.rule, found.port, found.protocol, found.service, found.severity,
             found.severity_raw, found.status, found.cvss, found.evidence, packages)
        )  # fmt: skip
        if found.cves:
            self._add_cves(self._number, found)
        if len(self._findings) >= _BATCH:
            self._flush()

    def warn(self, text: str) -> None:
        """Take a warning; of very many only the first are kept, with the number of the rest."""
        if text in self.warnings:
            return
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(text)
        else:
            self._left_out += 1

    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each severity, as the report's own lines are counted."""
        return {severity: self._counted[severity] for severity in SEVERITIES}

    def cves(self) -> int:
        """Return how many CVE ids the findings name, each counted once."""
        return len(self._cves)

    def finish(self, document: dict[str, Any], inventory: list[str | None]) -> None:
        """Write hosts, with their inventory names in the same order, and the report's document; then close."""
        self._flush()
        self._db.executemany(
            "INSERT INTO host VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_host_row(number, host, known) for number, (host, known) in
             enumerate(zip(self.hosts, inventory, strict=True), 1)),
        )  # fmt: skip
        self._db.execute("INSERT INTO report VALUES (?)", (json.dumps(document, ensure_ascii=False),))
        self._db.execute("COMMIT")
        self._db.close()

    def close(self) -> None:
        """Close without finishing."""
        self._db.close()

    def all_warnings(self) -> list[str]:
        """Return the warnings, and how many more there were."""
        return [*self.warnings, f"{self._left_out} more warnings"] if self._left_out else list(self.warnings)

    def _known(self, found: Finding) -> int | None:
        row = self._db.execute(
            "SELECT n FROM finding WHERE host = ? AND rule = ? AND ifnull(port, 0) = ? AND protocol = ?",
            (found.host, found.rule, found.port or 0, found.protocol),
        ).fetchone()
        return None if row is None else int(row[0])

    def _add_cves(self, number: int, found: Finding) -> None:
        self._cve_rows.extend((number, cve) for cve in found.cves)
        if found.status in ("open", "hinted"):
            self._cves.update(found.cves)

    def _flush(self) -> None:
        self._db.executemany("INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self._findings)
        self._db.executemany("INSERT INTO cve VALUES (?, ?)", self._cve_rows)
        self._findings.clear()
        self._cve_rows.clear()


def _host_row(number: int, host: ScannedHost, inventory: str | None) -> tuple[Any, ...]:
    lists = (json.dumps(one, ensure_ascii=False) for one in (host.addresses, host.names))
    credentialed = None if host.credentialed is None else int(host.credentialed)
    return (number, host.name, *lists, host.os, int(host.scanned), credentialed, host.scope, host.started,
            host.finished, inventory)  # fmt: skip
