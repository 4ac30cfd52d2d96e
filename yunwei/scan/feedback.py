"""整改反馈: what became of each finding of a report, as rows that every kind of document is written from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from yunwei.report.words import Words, load_words
from yunwei.scan.changes import Change
from yunwei.scan.diff import Compared, compare, side_of
from yunwei.scan.findings import StoredFinding, findings_of
from yunwei.scan.retest import Result, newest
from yunwei.scan.shapes import SEVERITIES
from yunwei.scan.store import Document, Store
from yunwei.scan.visible import visible
from yunwei.scan.waivers import Waiver, waivers

COLUMNS = (
    "number", "severity", "name", "cves", "host", "port", "disposition", "change", "evidence", "evidence_id", "next",
    "solution", "id",
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


@dataclass(frozen=True)
class _Known:
    """All that is known of one finding: what the re-scan, an acceptance, its change and its newest self-test say."""

    judged: Compared | None
    waiver: Waiver | None
    change: Change | None
    tested: Result | None

    def state(self, today: date) -> str:
        """Return the disposition: gone, accepted, seen by the scanner, tested, changed, in this order."""
        verdict = self.judged.verdict if self.judged else "open"
        if verdict == "gone":
            return verdict
        if self.waiver is not None and self.waiver.holds(today):
            return "accepted"
        if verdict != "still_there" and (self._by_test() or self._is_changed()):
            return self._by_test() or "changed"
        return verdict if self.waiver is None else "expired"

    def ids(self, after: str | None) -> list[str]:
        """Return the ids of what proves it: records of the ledger, and the re-scan."""
        records = [self.change.run_id, self.change.undone] if self.change else []
        return [one for one in (*records, self.tested.evidence_id if self.tested else "", after or "") if one]

    def _is_changed(self) -> bool:
        return self.change is not None and not self.change.undone

    def _by_test(self) -> str:
        """Return what the newest self-test says, "" where it does not judge or something was changed since."""
        words = {"fixed": "tested_fixed", "open": "tested_open"}
        if self.tested is None:
            return ""
        last = (self.change.undone_time or self.change.time) if self.change else self.tested.time
        if datetime.fromisoformat(last) > datetime.fromisoformat(self.tested.time):
            return ""
        return words.get(self.tested.verdict, "")


def make(  # noqa: PLR0913 - what an answer depends on
    store: Store,
    identity: str,
    after: str | None,
    today: date,
    lang: str,
    *,
    same_login: bool = False,
    changes: Mapping[str, Change] | None = None,
) -> Feedback:
    """Return the feedback on a report; only a re-scan (`after`) can say that something is gone.

    `same_login` is that of `compare`, and the document says that somebody vouched for it. `changes` are those of the
    ledger by finding.
    """
    words = load_words(lang, "scan")
    accepted, tested = waivers(store), newest(store, identity)
    rows = []
    for number, (one, verdict) in enumerate(_judged(store, identity, after, same_login=same_login), 1):
        known = _Known(verdict, accepted.get(one.id), (changes or {}).get(one.id), tested.get(one.id))
        rows.append(_row(number, one, known, after, today, words))
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
    number: int, one: StoredFinding, known: _Known, after: str | None, today: date, words: Words
) -> list[str]:
    state = known.state(today)
    values: dict[str, Any] = {"report": after or "", "reason": _reason(known.judged, words)}
    if known.waiver is not None and state in ("accepted", "expired"):
        waiver = known.waiver
        values = {"reason": waiver.reason, "approver": waiver.approver, "until": waiver.until,
                  "recorded": waiver.recorded[:10]}  # fmt: skip
    if known.tested is not None and state in ("tested_fixed", "tested_open"):
        tested = known.tested
        values = {"time": _minute(tested.time), "rules": ", ".join(tested.rules), "why": tested.why}
    port = "" if one.port is None else f"{one.port}/{one.protocol}"
    return [
        str(number),
        words(f"scan.severity.{one.severity}"),
        one.name,
        ", ".join(one.cves),
        one.host,
        port,
        words(f"scan.disposition.{state}", **values),
        _change(known.change, words),
        words(f"scan.evidence.{state}", **values),
        "\n".join(known.ids(after)),
        words(f"scan.next.{state}"),
        one.solution,
        one.id,
    ]


def _change(change: Change | None, words: Words) -> str:
    if change is None:
        return ""
    state = "undone" if change.undone else "made"
    rules, when, undone = ", ".join(change.rules), _minute(change.time), _minute(change.undone_time)
    return words(f"scan.change.{state}", rules=rules, time=when, who=change.who, undone=undone)


def _minute(time: str) -> str:
    """Return a time of the ledger as people write it, "" for none."""
    return f"{time[:16].replace('T', ' ')} UTC" if time else ""


def _reason(judged: Compared | None, words: Words) -> str:
    return words(f"scan.reason.{judged.cause}") if judged is not None and judged.cause else ""


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
