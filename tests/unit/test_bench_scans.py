"""What the import is measured against does the same work."""

import sqlite3
from contextlib import closing

from bench import bare_scan, scans
from tests.scan_reports import Importer


def test_the_bare_loop_inserts_the_same_rows(tmp_path):
    report, bare = tmp_path / "r.nessus", tmp_path / "bare.db"
    items = scans.generate(report, 1_000_000)
    importer = Importer(tmp_path)
    document = importer.read(report)
    bare_scan.main(str(report), str(bare))
    query = "SELECT rule, CAST(port AS INTEGER), protocol, evidence FROM finding ORDER BY n"
    with closing(sqlite3.connect(bare)) as db, importer.store.reading(document["id"]) as ours:
        theirs = db.execute(query.replace("CAST(port AS INTEGER)", "nullif(CAST(port AS INTEGER), 0)")).fetchall()
        assert ours.execute(query).fetchall() == theirs
        for table in ("rule", "cve"):
            count = f"SELECT count(*) FROM {table}"  # noqa: S608 - names of this test
            assert ours.execute(count).fetchone() == db.execute(count).fetchone()
    assert sum(document["findings"].values()) == items == len(theirs)
    assert 350 < report.stat().st_size / items < 650
