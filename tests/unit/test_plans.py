"""Plans on file: known by one digest, changed by nobody, made only of what hosts said."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from yunwei import plans
from yunwei.errors import CouldNotJudgeError, RefusedError, UsageError

PLAN = plans.Plan(
    job="clean-logs",
    systems=["mediation"],
    options={},
    hosts={"app1": {"mediation": "a" * 64}, "db1": {"mediation": "b" * 64}},
    time="2026-11-23T01:00:00Z",
    requested_by="userpass:engineer",
    run_id="r-1234",
    items=[{"host": "app1", "item": "/var/log/日志.log.1", "status": "would archive and retire"}],
)


def record(**summary: Any) -> dict[str, Any]:
    """Return what the ledger has of the run that made a plan."""
    return {
        "id": "r-1234",
        "job": "clean-logs",
        "who": "userpass:engineer",
        "permits": [{"systems": ["mediation"], "options": {}, "time": "2026-11-23T01:00:00Z"}],
        "tasks": [{"host": "db1"}, {"host": "app1", "yunwei": {"system": "mediation", **summary}}],
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    plans.write_plan(PLAN, tmp_path / "plan.json")
    return tmp_path / "plan.json"


def test_a_plan_comes_back_from_its_file_which_is_for_its_owner_alone(path: Path):
    assert plans.read_plan(path) == PLAN
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(plans.Plan)])
def test_whatever_is_changed_in_a_plan_is_noticed(path: Path, field: str):
    found = json.loads(path.read_text())
    found[field] = {"of": "another"} if isinstance(found[field], dict) else [] if field != "job" else "back-up"
    path.write_text(json.dumps(found))
    with pytest.raises(RefusedError, match="was changed after it was made"):
        plans.read_plan(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is neither a stored plan"),
        ("[]", "nor a scan plan"),
        ("{}", "no plan of format 1"),
        ('{"format": 1}', "is no plan"),
        ('{"format": 2, "job": "clean-logs"}', "no plan of format 1"),
    ],
)
def test_what_is_no_plan_is_said_to_be_none(path: Path, text: str, said: str):
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        plans.read_plan(path)
    with pytest.raises(UsageError, match="cannot be read"):
        plans.read_plan(path.parent / "missing")


def test_a_plan_that_cannot_be_written_leaves_nothing(tmp_path: Path):
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(UsageError, match=r"plan\.json cannot be written"):
        plans.write_plan(PLAN, tmp_path / "plan.json")
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_one_task_may_tell_of_all_hosts():
    said = {"app1": {"mediation": "c" * 64}, "db1": {"mediation": "d" * 64}}
    assert plans.make_plan(record(plan={"hosts": said})).hosts == said


def test_a_plan_holds_what_each_host_said_it_would_do():
    made = plans.make_plan(record(plan={"digest": "c" * 64}, items=[{"item": "a", "status": "would archive"}]))
    assert made == plans.Plan(
        job="clean-logs",
        systems=["mediation"],
        options={},
        hosts={"app1": {"mediation": "c" * 64}},
        time="2026-11-23T01:00:00Z",
        requested_by="userpass:engineer",
        run_id="r-1234",
        items=[{"host": "app1", "system": "mediation", "item": "a", "status": "would archive"}],
    )


def test_without_a_host_that_said_anything_there_is_no_plan():
    with pytest.raises(CouldNotJudgeError, match="no host of run r-1234 said what clean-logs would do"):
        plans.make_plan(record())


def test_a_plan_is_held_against_the_record_of_the_check_that_found_it():
    found = {**record(plan={"digest": "c" * 64}), "check": True, "status": "done"}
    plans.demand_recorded(plans.make_plan(found), found)
    for other in (None, {**found, "check": False}, {**found, "status": "open"}):
        with pytest.raises(RefusedError, match="knows no finished check-mode run r-1234"):
            plans.demand_recorded(plans.make_plan(found), other)
