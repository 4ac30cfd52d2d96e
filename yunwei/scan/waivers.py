"""Findings that somebody has accepted until a day; kept in the store, the last word on a finding holds."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from yunwei.errors import UsageError
from yunwei.scan.findings import findings_of
from yunwei.scan.store import Store, to_disk
from yunwei.scan.text import safe_typed

_ID = re.compile(r"^f-[0-9a-f]{16}$")
_FILE = "waivers.jsonl"


@dataclass(frozen=True)
class Waiver:
    """Who accepted a finding, why, and until which day inclusive (ISO dates)."""

    finding: str
    reason: str
    approver: str
    until: str
    recorded: str

    def holds(self, today: date) -> bool:
        """Tell whether the day has not passed."""
        return today <= date.fromisoformat(self.until)


def waive(store: Store, finding: str, reason: str, approver: str, until: date) -> Waiver:
    """Record that a finding is accepted.

    Raises UsageError where no stored report has the finding, the day is not ahead, or reason or approver is blank.
    """
    if not reason.strip() or not approver.strip():
        raise UsageError("an acceptance needs a reason and an approver. Nothing was recorded.")
    if until <= datetime.now().astimezone().date():
        raise UsageError(f"{until} is not ahead; an acceptance ends on a day to come. Nothing was recorded.")
    with store.writing():
        if not _ID.match(finding) or not _is_stored(store, finding):
            raise UsageError(f"no stored report has a finding {finding!r}; see `yunwei scan show ID`")
        recorded = datetime.now(UTC).isoformat(timespec="seconds")
        waiver = Waiver(finding, safe_typed(reason.strip()), approver.strip(), until.isoformat(), recorded)
        _write(store, [*_read(store), waiver])
    return waiver


def waivers(store: Store) -> dict[str, Waiver]:
    """Return the last acceptance of each finding."""
    return {one.finding: one for one in _read(store)}


def _is_stored(store: Store, finding: str) -> bool:
    return any(
        one.id == finding for document in store.documents() for one in findings_of(store, document["id"], with_all=True)
    )


def _read(store: Store) -> list[Waiver]:
    path = store.folder / _FILE
    if not path.exists():
        return []
    return [Waiver(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(store: Store, all_of_them: list[Waiver]) -> None:
    new = store.folder / f"{_FILE}.new"
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in all_of_them)
    to_disk(new)
    os.replace(new, store.folder / _FILE)
    to_disk(store.folder)
