"""What a recovery says of its services and its application: nothing that was not started and asked is called ready."""

import pytest
from yunwei_restore import application, services
from yunwei_restore.report import Report

PART = {"database": None, "table": None, "into_schema": None, "files": None, "into_dir": None}
SERVICE = {"host": "app1", "unit": "app.service", "order": 20}
PROBED = {"probe": {"url": "http://127.0.0.1:1/health", "expect": "ok", "timeout_seconds": 0}}


def unit(target="new1", **changes):
    found = {"system": "s", "restore_id": "r-1", "mode": "recover", "site": "miyun", "part": PART, "application": None}
    found["items"] = [{"item": "files:a", "source_host": "app1", "target_host": target}]
    return {**found, "services": [], "left_alone": [], **changes}


def outcome(one):
    report = Report(one, "new1")
    assert application.run(one, "new1", report, None) is False
    return report.summary()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"s": "policy names no services", "application": "policy names none"}),
        ({"application": PROBED}, {"s": "policy names no services", "application": "/health was not asked"}),
        ({"services": [SERVICE]}, {"application": "policy names none"}),
        (
            {"application": PROBED, "left_alone": [SERVICE]},
            {"app.service on app1": "was not started", "application": "/health was not asked"},
        ),
        ({"mode": "drill"}, {}),
        ({"part": {**PART, "table": "a.b"}}, {}),
        ({"part": {**PART, "files": "*"}}, {}),
        ({"target": "app1"}, {}),
        ({"target": "app1", "application": PROBED}, {}),
    ],
    ids=str,
)
def test_a_system_on_a_new_host_is_ready_only_when_it_was_started_and_asked(changes, expected):
    summary = outcome(unit(**changes))
    told = {one["object"]: one["cause"] for one in summary["reasons"]}
    assert list(told) == list(expected)
    assert [words for thing, words in expected.items() if words not in told[thing]] == []
    assert (summary["probe"], summary.get("exit_code", 0)) == (None, 4 if expected else 0)


def test_where_a_service_does_not_start_it_is_said_that_nobody_was_asked():
    report = Report(unit(), "new1")
    assert services.run(unit(application=PROBED), "yunwei-not-here.service", "stopped", report) is False
    assert services.run(unit(application=PROBED), "yunwei-not-here.service", "started", report) is True
    causes = {one["object"]: one["cause"] for one in report.reasons}
    assert "cannot start the service" in causes["yunwei-not-here.service"]
    assert "/health was not asked" in causes["application"]
    assert report.summary()["exit_code"] == 4
