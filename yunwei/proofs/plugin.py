"""A pytest plugin that writes each proof's verdict as JSON and keeps "no connection" apart from "not so"."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_ENTRIES: dict[str, dict[str, str]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the worst that set-up, call and tear-down of a proof came to."""
    report = yield
    verdict = _verdict(report, call)
    known = _ENTRIES.setdefault(item.nodeid, {"test": item.name, "verdict": "passed", "reason": ""})
    if verdict != "passed" and known["verdict"] == "passed":
        known.update(verdict=verdict, reason=_reason(report, call))
    return report


def _verdict(report: pytest.TestReport, call: pytest.CallInfo[Any]) -> str:
    if report.passed:
        return "passed"
    if report.failed and call.excinfo is not None and isinstance(call.excinfo.value, AssertionError):
        return "failed"
    return "could not judge"


def _reason(report: pytest.TestReport, call: pytest.CallInfo[Any]) -> str:
    if call.excinfo is None:
        return str(report.longrepr)[-400:]
    return f"{call.excinfo.typename}: {call.excinfo.value}"[:400]


def pytest_sessionfinish() -> None:
    """Write the verdicts where the caller asked for them."""
    Path(os.environ["YUNWEI_PROOF_OUTCOMES"]).write_text(json.dumps(list(_ENTRIES.values())), encoding="utf-8")
