"""Holds a drill: runs it, builds its document from the ledger's record, forecasts, records and writes it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from yunwei import launch, ledger, policy, runner
from yunwei.drill import outcome
from yunwei.drill.forecast import Row, forecast, row_of
from yunwei.jobs import find_job
from yunwei.report.render import write_report

RECORD = "drill"


@dataclass(frozen=True)
class Wish:
    """What a person asked for; `records` is a backup record by item, all others are the newest.

    `handed_over` is when the hardware was handed over, ISO 8601 with a zone; empty is when the host was found fit.
    """

    inventory: Path
    system: str
    site: str
    records: Mapping[str, str]
    keep_on_failure: bool
    sweep_kept: bool
    handed_over: str
    participants: Sequence[Mapping[str, str]]


def hold(wish: Wish, progress: runner.Progress) -> tuple[launch.Result, dict[str, Any] | None]:
    """Run a drill; return the run's result and the drill's document, None where it was refused.

    Raises as `launch.launch`; `LedgerError` where the drill cannot be recorded.
    """
    known = policy.load(wish.inventory)
    known.system(wish.system)
    built: list[dict[str, Any]] = []

    def afterwards(run: dict[str, Any], signer: ledger.Signer) -> None:
        if run["status"] != "refused" and any("restore_id" in task["yunwei"] for task in run["results"]):
            built.append(_document(wish, known, run["run_id"]))
            _record(built[0], signer)

    result = launch.launch(_request(wish), progress, afterwards)
    return result, built[0] if built else None


def write(document: Mapping[str, Any], folder: Path, lang: str) -> tuple[Path, Path]:
    """Write `drill.json` and `drill.html` into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / "drill.json", folder / "drill.html"
    new = data.with_suffix(".json.new")
    new.write_text(_text(document), encoding="utf-8")
    os.replace(new, data)
    write_report(document, page, lang)
    return data, page


def _request(wish: Wish) -> launch.Request:
    variables = {
        "yunwei_site": wish.site,
        "yunwei_records": dict(wish.records),
        "yunwei_keep_on_failure": wish.keep_on_failure,
        "yunwei_sweep_kept": wish.sweep_kept,
        "yunwei_handed_over": wish.handed_over,
    }
    return launch.Request(find_job("drill-restore"), wish.inventory, [wish.system], variables=variables)


def _document(wish: Wish, known: policy.Policy, run_id: str) -> dict[str, Any]:
    book = ledger.Ledger.open()
    record = book.show(run_id)
    estate = known.estate
    about = outcome.Circumstances(
        system=known.system(wish.system),
        site=wish.site,
        host=next(task["yunwei"]["target"] for task in record["tasks"] if "restore_id" in (task.get("yunwei") or {})),
        started=datetime.fromisoformat(record["started"]),
        finished=datetime.fromisoformat(record["finished"]),
        zone=estate.zone,
        timezone=estate.timezone,
        evidence_id=run_id,
        evidence_digest=record["digest"],
        ledger_head=asdict(book.head()),
        participants=wish.participants,
        versions={name: str(value) for name, value in record["controller"].items()},
    )
    document = outcome.build(about, record["tasks"])
    document["forecast"] = _forecast(document, _earlier(book, wish))
    return document


def _earlier(book: ledger.Ledger, wish: Wish) -> list[Row]:
    """Return (bytes, seconds) of this system's earlier drills from the same site."""
    bodies = [entry.body for entry in book.entries() if entry.kind == RECORD]
    same = [body for body in bodies if (body["system"], body["site"]) == (wish.system, wish.site)]
    return [row for row in map(row_of, same) if row]


def _forecast(document: Mapping[str, Any], earlier: list[Row]) -> dict[str, Any] | None:
    now = row_of(document)
    found = forecast([*earlier, *([now] if now else [])], document["production_bytes"], document["target_seconds"])
    return None if isinstance(found, str) else found


def _record(document: Mapping[str, Any], signer: ledger.Signer) -> None:
    """Record what the drill came to and the digest of its document, linked to its run."""
    keys = ("system", "site", "host", "verdict", "drilled_bytes", "total_seconds", "rpo_seconds", "snapshot")
    run_id = str(document["evidence_id"])
    digest = hashlib.sha256(_text(document).encode("utf-8")).hexdigest()
    body = {"run_id": run_id, "document_sha256": digest, **{key: document[key] for key in keys}}
    ledger.Ledger.open().append(RECORD, body, signer, f"{run_id}/drill")


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
