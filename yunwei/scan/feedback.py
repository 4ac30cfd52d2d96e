"""整改反馈: what became of each finding of a report, as rows that every kind of document is written from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from yunwei.report.words import Words, load_words
from yunwei.scan.diff import Compared, compare, side_of
from yunwei.scan.findings import StoredFinding, findings_of
from yunwei.scan.shapes import SEVERITIES
from yunwei.scan.store import Document, Store
from yunwei.scan.visible import visible
from yunwei.scan.waivers import Waiver, waivers

COLUMNS = (
    "number", "severity", "name", "cves", "host", "port", "disposition", "evidence", "next", "solution", "id",
)  # fmt: skip


@dataclass(frozen=True)
class Feedback:
    """A feedback document: facts as pairs, counts by severity before and after, and a row for each finding."""

    title: str
    sheet: str
    facts: list[tuple[str, str]]
    counts: list[list[str]]
    columns: list[str]
    rows: list[list[str]]
    lang: str


def make(  # noqa: PLR0913 - what an answer depends on
    store: Store, identity: str, after: str | None, today: date, lang: str, *, same_login: bool = False
) -> Feedback:
    """Return the feedback on a report; only a re-scan (`after`) can say that something is gone.

    `same_login` is that of `compare`, and the document says that somebody vouched for it.
    """
    words = load_words(lang, "scan")
    known = waivers(store)
    rows = [
        _row(number, one, verdict, known.get(one.id), after, today, words)
        for number, (one, verdict) in enumerate(_judged(store, identity, after, same_login=same_login), 1)
    ]
    document = store.document(identity)
    later = store.document(after) if after else None
    return Feedback(
        words("scan.title"),
        words("scan.sheet"),
        _facts(document, later, today, words, same_login=same_login),
        _counts(document, later, words),
        [words(f"scan.column.{column}") for column in COLUMNS],
        [visible(row) for row in rows],
        words("page.lang"),
    )


def _judged(
    store: Store, identity: str, after: str | None, *, same_login: bool
) -> Iterable[tuple[StoredFinding, Compared | None]]:
    """Yield each finding of the report with what the re-scan says of it."""
    if after is None:
        for one in findings_of(store, identity):
            yield one, None
        return
    old = side_of(store, identity)
    for found in compare(old, side_of(store, after), same_login=same_login):
        if found.verdict not in ("new", "new_host"):
            yield found.finding, found


def _row(  # noqa: PLR0913, PLR0917 - all that is known of one finding
    number: int,
    one: StoredFinding,
    judged: Compared | None,
    waiver: Waiver | None,
    after: str | None,
    today: date,
    words: Words,
) -> list[str]:
    state = _state(judged, waiver, today)
    values: dict[str, Any] = {"report": after or "", "reason": _reason(judged, words)}
    if waiver is not None and state in ("accepted", "expired"):
        values = {"reason": waiver.reason, "approver": waiver.approver, "until": waiver.until,
                  "recorded": waiver.recorded[:10]}  # fmt: skip
    port = "" if one.port is None else f"{one.port}/{one.protocol}"
    return [
        str(number),
        words(f"scan.severity.{one.severity}"),
        one.name,
        ", ".join(one.cves),
        one.host,
        port,
        words(f"scan.disposition.{state}", **values),
        words(f"scan.evidence.{state}", **values),
        words(f"scan.next.{state}"),
        one.solution,
        one.id,
    ]


def _reason(judged: Compared | None, words: Words) -> str:
    return words(f"scan.reason.{judged.cause}") if judged is not None and judged.cause else ""


def _state(judged: Compared | None, waiver: Waiver | None, today: date) -> str:
    """Return the disposition: what is gone is gone, an acceptance outweighs that it is still there."""
    if judged is not None and judged.verdict == "gone":
        return "gone"
    if waiver is not None:
        return "accepted" if waiver.holds(today) else "expired"
    return "open" if judged is None else judged.verdict


def _facts(
    document: Document, later: Document | None, today: date, words: Words, *, same_login: bool
) -> list[tuple[str, str]]:
    name = document["file"].rpartition("/")[2]
    again = words("scan.none_after") if later is None else f"{later['id']} ({later['file'].rpartition('/')[2]})"
    facts = [
        (words("scan.report"), f"{name} ({document['id']}, SHA-256 {document['sha256']})"),
        (words("scan.scanner"), f"{document['scanner']} ({document['format']})"),
        (words("scan.scanned"), document["finished"] or document["started"] or ""),
        (words("scan.hosts"), str(document["hosts"])),
        (words("scan.retest"), again),
        *([(words("scan.login"), words("scan.vouched"))] if later and same_login else []),
        (words("scan.written"), today.isoformat()),
        ("", words("scan.omitted")),
    ]
    return [(what, str(visible(value))) for what, value in facts]


def _counts(document: Document, later: Document | None, words: Words) -> list[list[str]]:
    heading = ["", *(words(f"scan.severity.{one}") for one in SEVERITIES)]
    lines = [("before", document), *([("after", later)] if later else [])]
    return [heading] + [
        [words(f"scan.{word}"), *(str(one["findings"][severity]) for severity in SEVERITIES)] for word, one in lines
    ]
