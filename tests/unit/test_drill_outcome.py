"""The drill's document says what was recorded, and never more."""

import copy
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from yunwei import policy
from yunwei.drill import outcome
from yunwei.paths import content_root
from yunwei.report.schema import check_drill

BEGAN = datetime(2026, 3, 31, 1, 0, tzinfo=UTC)
HEAD = {"system": "mediation", "restore_id": "r-1", "mode": "drill", "site": "miyun", "target": "scratch1"}
SAME = {"expected": 2, "equal": 2, "different": 0, "differences": []}
TIME = BEGAN.timestamp()


def step(task, status="ok", **facts):
    summary = {**HEAD, "verdict": "passed", "reasons": [], "phases": [], **facts}
    return {"host": "scratch1", "task": task, "status": status, "yunwei": summary}


def phase(name, seconds=1.0, size=None):
    return {"name": name, "seconds": seconds, "bytes": size, "started": TIME}


def passed():
    records = {
        "database:mediation": {"record": "a" * 64, "snapshot_at": "2026-03-31T00:30:00Z"},
        "files:app": {"record": "b" * 64, "snapshot_at": "2026-03-30T18:00:00Z"},
    }
    kinds = ("tables", "files", "objects", "sequences", "roles", "indexes")
    probe = {"url": "http://127.0.0.1:18080/health", "answer": "ok", "ok": True}
    return [
        {"host": "scratch1", "task": "Issue the permit", "status": "ok"},
        step("preflight", handed_over=TIME + 2, began=TIME + 2),
        step("fetch", phases=[phase("locate"), phase("fetch", 2, 100)], records=records, restored_bytes=100,
             newest={item: record["snapshot_at"] for item, record in records.items()}),
        step("database", phases=[phase("create_instance"), phase("load", 3, 70), phase("rebuild")],
             versions={"postgresql": "15.18"}),
        step("files", phases=[phase("load", 2, 30)]),
        step("verify", phases=[phase("verify")], compared=list(records), **{kind: dict(SAME) for kind in kinds}),
        step("application", phases=[phase("ready")], probe=probe, ready_at=TIME + 42),
        step("destroy", what=["3 files"], kept=False, seconds=1.5, free_before=5),
        step("prove", proof={"files_left": []}, ok=True),
    ]  # fmt: skip


def build(tasks, **changes):
    system = policy.load(content_root() / "inventories" / "lab").system("mediation")
    about = outcome.Circumstances(
        system=system, site="miyun", host="scratch1", started=BEGAN, finished=BEGAN, zone=ZoneInfo("Asia/Shanghai"),
        timezone="Asia/Shanghai", evidence_id="r-1", versions={"yunwei": "0.1.0"}, **changes,
    )  # fmt: skip
    document = outcome.build(about, tasks)
    check_drill(document)
    return document


def reasons(document):
    return [(reason["object"], reason["verdict"]) for reason in document["reasons"]]


def test_a_whole_drill_passes_with_its_figures():
    document = build(passed(), participants=[{"name": "王海燕", "role": "DBA"}])
    assert (document["verdict"], document["reasons"]) == ("passed", [])
    assert document["total_seconds"] == 40.0
    assert document["rpo_seconds"] == 7 * 3600
    assert document["snapshot_at"] == "2026-03-31T02:00:00+08:00"
    assert [one["name"] for one in document["phases"]] == [
        "locate", "fetch", "create_instance", "load", "rebuild", "verify", "ready"
    ]  # fmt: skip
    assert document["phases"][3] == {"name": "load", "seconds": 5.0, "bytes": 100}
    assert document["destroyed"]["ok"]
    assert document["versions"] == {"yunwei": "0.1.0", "postgresql": "15.18"}


@pytest.mark.parametrize("gone", ["verify", "application", "prove"])
def test_a_step_without_a_summary_was_not_done(gone):
    document = build([task for task in passed() if task["task"] != gone])
    assert document["verdict"] == "could not judge"


def test_an_item_that_was_not_compared_is_named():
    tasks = passed()
    tasks[5]["yunwei"]["compared"] = ["files:app"]
    assert reasons(build(tasks)) == [("database:mediation", "could not judge")]


def test_a_bad_backup_outweighs_what_could_not_be_checked():
    tasks = passed()
    tasks[5] = step("verify", "failed", reasons=[
        {"object": "public.a", "cause": "tables differ", "next": "", "verdict": "failed"},
        {"object": "disk", "cause": "full", "next": "", "verdict": "could not judge"},
    ])  # fmt: skip
    document = build(tasks)
    assert document["verdict"] == "failed"
    assert reasons(document) == [("public.a", "failed"), ("disk", "could not judge")]


def test_a_host_that_does_not_answer_is_no_finding_about_the_backup():
    document = build([{"host": "scratch1", "task": "preflight", "status": "unreachable"}])
    assert document["verdict"] == "could not judge"
    assert document["reasons"][0]["cause"] == "the host does not answer"
    assert (document["phases"], document["tables"], document["destroyed"]) == ([], None, None)


def test_a_refusal_is_a_drill_that_did_not_take_place():
    refused = {"host": "scratch1", "task": "gate", "status": "failed", "yunwei": {"refused": "held by r-0"}}
    assert build([refused])["reasons"][0]["cause"] == "held by r-0"


def test_a_copy_older_than_its_objective_fails():
    tasks = passed()
    tasks[2]["yunwei"]["newest"]["files:app"] = "2026-03-29T00:00:00Z"
    document = build(tasks)
    assert (document["verdict"], reasons(document)) == ("failed", [("recovery point", "failed")])


def test_an_older_record_that_was_asked_for_is_not_held_against_the_copies():
    tasks = passed()
    tasks[2]["yunwei"]["records"]["files:app"]["snapshot_at"] = "2026-01-01T00:00:00Z"
    document = build(tasks)
    assert (document["verdict"], document["snapshot_at"]) == ("passed", "2026-01-01T08:00:00+08:00")


def test_a_recovery_beyond_the_hour_fails():
    tasks = passed()
    tasks[6]["yunwei"]["ready_at"] = TIME + 3603
    document = build(tasks)
    assert (document["verdict"], reasons(document)) == ("failed", [("recovery time", "failed")])


def test_what_was_kept_was_not_destroyed():
    tasks = copy.deepcopy(passed())[:-1]
    tasks[-1]["yunwei"].update(what=[], kept=True)
    document = build(tasks)
    assert document["destroyed"] is None
    assert document["verdict"] == "could not judge"
