"""The same rows of a Nessus report without anything around: what the importer is held against."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

from lxml import etree

from yunwei.scan.draft import SCHEMA

_BATCH = 5000


def main(report: str, database: str) -> None:
    """Read a report into a new database."""
    Path(database).unlink(missing_ok=True)
    db = sqlite3.connect(database, isolation_level=None)
    db.executescript(SCHEMA)
    db.execute("BEGIN")
    findings: list[tuple[Any, ...]] = []
    cves: list[tuple[int, str]] = []
    for number, (_, item) in enumerate(etree.iterparse(report, events=("end",), tag="ReportItem"), 1):
        texts = {one.tag: one.text for one in item}
        rule, name, family = item.get("pluginID"), item.get("pluginName"), item.get("pluginFamily")
        db.execute(
            "INSERT OR IGNORE INTO rule VALUES (?, ?, ?, ?, ?)",
            (rule, name, family, texts.get("description", ""), texts.get("solution", "")),
        )
        findings.append(
            (number, number, 1, rule, item.get("port"), item.get("protocol"), item.get("svc_name"),
             item.get("severity"), item.get("severity"), "open", texts.get("cvss3_base_score"),
             texts.get("plugin_output", ""), "")
        )  # fmt: skip
        if "cve" in texts:
            cves.append((number, texts["cve"]))
        if len(findings) >= _BATCH:
            _insert(db, findings, cves)
        item.clear()
        while item.getprevious() is not None:
            del item.getparent()[0]
    _insert(db, findings, cves)
    db.execute("COMMIT")
    db.close()


def _insert(db: sqlite3.Connection, findings: list[tuple[Any, ...]], cves: list[tuple[int, str]]) -> None:
    db.executemany("INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", findings)
    db.executemany("INSERT INTO cve VALUES (?, ?)", cves)
    findings.clear()
    cves.clear()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
