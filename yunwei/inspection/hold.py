"""Holds an inspection: one login, the visits, the document, its record and its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yunwei import runner
from yunwei.errors import YunweiError
from yunwei.inspection import outcome
from yunwei.inspection.certificate import judge_certificate
from yunwei.inspection.past import RECORD
from yunwei.inspection.visit import JOB, visit_all
from yunwei.provenance import describe_controller
from yunwei.recorder import Verdict
from yunwei.report.inspection import render_inspection
from yunwei.report.render import write_page
from yunwei.session import Intent, Session, new_run_id, open_session
from yunwei.work.shapes import SiteName


@dataclass(frozen=True)
class Wish:
    """What a person asked for; no system is every system."""

    inventory: Path
    sites: Sequence[SiteName]
    systems: Sequence[str]


def hold(wish: Wish) -> tuple[dict[str, Any], list[str]]:
    """Inspect, record, and return the document and what a person must be told of the record.

    Raises:
        LedgerError, VaultError: no login, no record, no inspection.
        PolicyError, UsageError: policy or a name is wrong.
    """
    source = runner.inventory_source(wish.inventory).absolute()
    session = open_session(Intent(new_run_id(), JOB, "", (source,), check=False))
    end = Verdict("failed", 1, "interrupted")
    try:
        document = _inspect(wish, session)
        _record(document, session)
        end = _verdict(document)
    except YunweiError as error:
        end = Verdict("failed", error.exit_code, str(error))
        raise
    finally:
        warnings = session.close(end)
    return document, warnings


def write(document: Mapping[str, Any], folder: Path, lang: str) -> tuple[Path, Path]:
    """Write `inspect.json` and `inspect.html` into a folder and return their paths."""
    data, page = folder / "inspect.json", folder / "inspect.html"
    write_page(_text(document), data)
    write_page(render_inspection(document, lang), page)
    return data, page


def _inspect(wish: Wish, session: Session) -> dict[str, Any]:
    policy, started = session.policy, datetime.now(UTC)
    systems = policy.choose_systems(wish.systems)
    visits = visit_all(policy, session.vault, wish.sites, [system.id for system in systems])
    finished = datetime.now(UTC)
    vault = policy.estate.vault
    days = policy.estate.inspection.certificate_days
    about = outcome.Circumstances(
        policy=policy,
        systems=systems,
        started=started,
        finished=finished,
        entries=session.ledger.entries(),
        evidence_id=session.run_id,
        ledger_head=asdict(session.ledger.head()),
        versions=describe_controller(),
    )
    return outcome.build(about, visits, judge_certificate(vault.address, vault.ca_file, days, finished))


def _record(document: Mapping[str, Any], session: Session) -> None:
    """Record what the inspection came to, its figures, and the digest of its document, linked to its run."""
    grave = [check for check in document["checks"] if check["status"] in ("finding", "unknown")]
    keys = ("place", "status", "severity", "cause", "evidence")
    body = {
        "run_id": session.run_id,
        "document_sha256": hashlib.sha256(_text(document).encode("utf-8")).hexdigest(),
        **{key: document[key] for key in ("verdict", "sites", "measures")},
        "systems": sorted(document["systems"]),
        "findings": [{key: check[key] for key in keys} for check in grave],
    }
    session.ledger.append(RECORD, body, session.vault, f"{session.run_id}/{RECORD}")


def _verdict(document: Mapping[str, Any]) -> Verdict:
    """Return how the run ended: that something was found is the run's result, and its exit code."""
    code = outcome.EXIT_CODES[document["verdict"]]
    status = {0: "done", 1: "failed", 4: "could not judge"}[code]
    wrong = "finding" if code == 1 else "unknown"
    told = [f"{check['place']}: {check['evidence']}" for check in document["checks"] if check["status"] == wrong]
    return Verdict(status, code, "\n".join(told) or None)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
