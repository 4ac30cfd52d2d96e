"""A pytest plugin that notes each proof's verdict; importing it reads in all that a run of proofs needs."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import testinfra.plugin
import testinfra.utils.ansible_runner  # noqa: F401 - read in once, for every process that is forked


class Outcomes:
    """The verdict of each proof, by its id; "no connection" is kept apart from "not so"."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the worst that set-up, call and tear-down of a proof came to."""
        report = yield
        verdict = _verdict(report, call)
        known = self.entries.setdefault(item.nodeid, {"test": item.name, "verdict": "passed", "reason": ""})
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
