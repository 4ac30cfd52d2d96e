"""`yunwei scan`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from yunwei import policy
from yunwei.cli import show
from yunwei.ledger import Ledger
from yunwei.paths import state_dir
from yunwei.report.visible import plain
from yunwei.scan import diff as comparing
from yunwei.scan import feedback as answering
from yunwei.scan import feedback_files, importing
from yunwei.scan import waivers as accepting
from yunwei.scan.changes import changes
from yunwei.scan.findings import StoredFinding, findings_of, hosts_of
from yunwei.scan.shapes import SEVERITIES
from yunwei.scan.store import Document, Store
from yunwei.scan.visible import visible

_LIST = ("id", "imported", "file", "scanner", "format", "started", "hosts", *SEVERITIES, "CVEs")
_SHOW = ("finding", "severity", "rule", "name", "host", "port", "CVEs")
_DIFF = ("what became of it", "severity", "rule", "name", "host", "port", "why")


def import_reports(options: argparse.Namespace) -> int:
    """Import reports; exit 1 where one was refused."""
    outcomes = importing.import_reports(options.reports, policy.load(options.inventory), options.host, Store.default())
    done = [one.document for one in outcomes if one.document is not None]
    refused = [one for one in outcomes if one.document is None]
    if options.json:
        show.json_document(
            {
                "reports": [importing.printed(one) for one in done],
                "refused": [{"file": one.file, "reason": one.refused} for one in refused],
            }
        )
    else:
        for document in done:
            print(_imported(document))
    for one in refused:
        show.say(f"yunwei: refused, nothing of it was stored: {one.refused}")
    return 1 if refused else 0


def show_list(options: argparse.Namespace) -> int:
    """List the stored reports."""
    documents = Store.default().documents()
    if options.json:
        show.json_document(
            [{"id": one["id"], "imported": one["imported"], **importing.printed(one)} for one in documents]
        )
    elif documents:
        show.table(_LIST, [_list_row(one) for one in documents])
    else:
        print("no report is stored; `yunwei scan import REPORT` reads one")
    return 0


def show_report(options: argparse.Namespace) -> int:
    """Show a report's findings."""
    store = Store.default()
    identity = store.resolve(options.id)
    document, hosts = store.document(identity), hosts_of(store, identity)
    findings = findings_of(store, identity, with_all=options.all)
    if options.json:
        rows = [visible(asdict(one)) for one in findings]
        show.json_document({**document, "scanned": [visible(asdict(host)) for host in hosts], "rows": rows})
        return 0
    print(_imported(document))
    show.table(_SHOW, [[one.id, one.severity, *_cells(one), ", ".join(one.cves)] for one in findings])
    if not options.all:
        print("informational findings and what passed are shown with --all")
    return 0


def diff(options: argparse.Namespace) -> int:
    """Compare two reports."""
    store = Store.default()
    old, new = (comparing.side_of(store, store.resolve(word)) for word in (options.old, options.new))
    compared = comparing.compare(old, new, same_login=options.same_login)
    counts = comparing.summary(compared)
    if options.json:
        rows = [visible(comparing.as_json(one)) for one in compared]
        show.json_document({"old": old.document["id"], "new": new.document["id"], "summary": counts, "findings": rows})
        return 0
    order = {verdict: place for place, verdict in enumerate(comparing.VERDICTS)}
    rows_shown = sorted(compared, key=lambda one: order[one.verdict])
    show.table(
        _DIFF,
        [[one.verdict, one.finding.severity, *_cells(one.finding), plain(one.reason)] for one in rows_shown],
    )
    print(", ".join(f"{verdict} {count}" for verdict, count in counts.items()))
    print("gone means: the later report scanned the host in the same way and no longer names it")
    return 0


def waive(options: argparse.Namespace) -> int:
    """Record that a finding is accepted until a day."""
    done = accepting.waive(Store.default(), options.finding, options.reason, options.approver, options.until)
    if options.json:
        show.json_document(asdict(done))
    else:
        print(f"{done.finding}: accepted until {done.until}, approved by {plain(done.approver)}")
    return 0


def feedback(options: argparse.Namespace) -> int:
    """Write the feedback on a report."""
    store = Store.default()
    identity = store.resolve(options.id)
    after = store.resolve(options.after) if options.after else None
    path = options.output or state_dir() / "feedback" / f"{identity}.xlsx"
    today = datetime.now().astimezone().date()
    known = changes(Ledger.open().entries())
    made = answering.make(store, identity, after, today, options.lang, same_login=options.same_login, changes=known)
    feedback_files.write(made, path)
    print(path)
    return 0


def _imported(document: Document) -> str:
    counts = ", ".join(f"{word} {number}" for word, number in document["findings"].items() if number)
    lines = [
        f"{document['id']}  {plain(document['file'])}: {document['format']}, {document['hosts']} host(s), "
        f"{counts or 'no findings'}, {document['cves']} CVEs",
        *(f"  warning: {text}" for text in document["warnings"]),
    ]
    return "\n".join(lines)


def _list_row(one: Document) -> Sequence[object]:
    return [
        one["id"], one["imported"][:10], plain(one["file"].rpartition("/")[2]), one["scanner"], one["format"],
        (one["started"] or "")[:19], one["hosts"], *(one["findings"][word] for word in SEVERITIES), one["cves"],
    ]  # fmt: skip


def _cells(one: StoredFinding) -> Iterable[str]:
    port = "" if one.port is None else f"{one.port}/{one.protocol}"
    return [plain(one.rule)[:60], plain(one.name.replace("\n", " ")), plain(one.host), port]
