"""Databases on the controller: work with its window, what an inspection comes to, and its words."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from yunwei_database import judge

from tests.inventories import ESTATE, MEDIATION, InventoryCopy
from tests.postgres import INSPECTION, MAINTENANCE
from yunwei import work
from yunwei.databases import outcome, words
from yunwei.ledger import Entry
from yunwei.paths import content_root
from yunwei.policy.databases import DatabaseInspection, DatabaseMaintenance
from yunwei.report.words import load_words

MONDAY_NOON = datetime(2026, 12, 7, 4, tzinfo=UTC)
MONDAY_NIGHT = datetime(2026, 12, 7, 16, tzinfo=UTC)
SATURDAY_NIGHT = datetime(2026, 12, 12, 16, tzinfo=UTC)
FOLDER = content_root() / "yunwei" / "report" / "words" / "databases"


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    made = InventoryCopy(tmp_path)
    made.edit(ESTATE, "maintenance: {anytime: true}", "maintenance: {}")
    return made


def test_the_login_is_that_of_policy_or_the_engines_own(lab: InventoryCopy):
    (plain,) = work.inspect_databases_work(lab.load(), "mediation")["databases"]["db1"]
    assert plain["login"] == {
        "database": "mediation", "port": 5432, "os_user": "postgres", "role": None, "socket": None
    }  # fmt: skip
    login = "    login: {os_user: yunwei-db, role: upkeep, socket: /run/postgresql}\n"
    lab.edit(MEDIATION, "    lock_timeout_seconds: 10\n", login)
    (own,) = work.inspect_databases_work(lab.load(), "mediation")["databases"]["db1"]
    assert (own["login"]["os_user"], own["login"]["role"], own["login"]["socket"]) == (
        "yunwei-db", "upkeep", "/run/postgresql"
    )  # fmt: skip


def test_an_engine_without_a_driver_could_not_be_judged(tmp_path: Path):
    example = InventoryCopy(tmp_path, "example").load()
    found = work.inspect_databases_work(example, "legalservice")["databases"]["fl-db1"]
    assert found[0]["no_driver"] == "could not judge: no driver for dameng"


def test_a_run_begins_in_a_window_and_ends_with_it(lab: InventoryCopy):
    found = work.maintain_databases_work(lab.load(), "mediation", SATURDAY_NIGHT)
    assert (found["until"], found["closed"]) == ("2026-12-12T20:00:00Z", None), "four hours are the longest"
    later = work.maintain_databases_work(lab.load(), "mediation", SATURDAY_NIGHT + timedelta(hours=4, minutes=30))
    assert later["until"] == "2026-12-12T21:00:00Z", "when the first of the windows closes"


@pytest.mark.parametrize("now", [MONDAY_NOON, MONDAY_NIGHT])
def test_outside_a_window_of_every_system_on_the_host_it_says_when_the_next_opens(lab: InventoryCopy, now: datetime):
    found = work.maintain_databases_work(lab.load(), "mediation", now)
    assert found["until"] is None
    assert "may not begin now" in str(found["closed"])
    assert "The next opening begins 2026-12-1" in str(found["closed"])


def test_policy_may_free_upkeep_of_the_calendar(lab: InventoryCopy):
    lab.edit(ESTATE, "maintenance: {}", "maintenance: {anytime: true, longest_seconds: 600}")
    found = work.maintain_databases_work(lab.load(), "mediation", MONDAY_NOON)
    assert (found["until"], found["closed"]) == ("2026-12-07T04:10:00Z", None)
    assert "anytime" not in found["limits"]


def test_a_misspelt_limit_names_the_nearest(lab: InventoryCopy):
    lab.edit(ESTATE, "maintenance: {}", "maintenance: {bloat_precent: 30}")
    problem = lab.only_problem()
    assert (problem.path, problem.found) == ("databases.maintenance.bloat_precent", "an unknown key")
    assert "bloat_percent" in str(problem.hint)


def test_the_limits_of_policy_are_those_that_the_host_code_is_tested_with():
    assert set(INSPECTION) == set(DatabaseInspection.model_fields) - {"days_until_full"}
    assert set(MAINTENANCE) == set(DatabaseMaintenance.model_fields) - {"anytime", "longest_seconds"}


def run(**database: Any) -> dict[str, Any]:
    measures = {"size_bytes": 3000, "places": [{"place": "/d", "free": 8000, "tablespaces": [0]}]}
    told = {"item": "database:mediation", "engine": "postgresql", "not_judged": None, "measures": measures}
    told.update(findings=[], unknown=[])
    results = [{"host": "db1", "yunwei": {"system": "mediation", "databases": [{**told, **database}]}}]
    return {"run_id": "r-1", "evidence_id": "e", "results": results, "systems": ["mediation"], "reason": None}


def entry(job: str, days: float, summary: dict[str, Any]) -> Entry:
    time = (MONDAY_NOON - timedelta(days=days)).isoformat()
    body = {"job": job, "check": False, "tasks": [{"yunwei": {"system": "mediation", **summary}}]}
    return Entry(1, f"{job}-{days}", "run-end", time, json.dumps({"body": body}), "")


def backup(days: float) -> Entry:
    return entry("back-up", days, {"items": [{"item": "database:mediation", "status": "accepted"}]})


def judged(lab: InventoryCopy, document: dict[str, Any], *entries: Entry) -> dict[str, Any]:
    return outcome.judge(document, lab.load(), entries, MONDAY_NOON)


def test_in_order_findings_and_could_not_judge_have_their_exit_codes(lab: InventoryCopy):
    assert judged(lab, run(), backup(0.5))["exit_code"] == 0
    assert judged(lab, run(unknown=[{"part": "bloat", "reason": "r"}]), backup(0.5))["exit_code"] == 4
    finding = {"check": "checksums", "severity": "high", "object": None, "evidence": {"failures": 1}}
    assert judged(lab, run(findings=[finding]), backup(0.5))["exit_code"] == 1


def test_a_database_that_nobody_told_of_could_not_be_judged(lab: InventoryCopy):
    found = judged(lab, {**run(), "results": []}, backup(0.5))
    assert (found["verdict"], found["databases"][0]["unknown"][0]["part"]) == ("could not judge", "database")
    assert judged(lab, {**run(), "results": [], "systems": []})["verdict"] == "could not judge"


def test_an_old_backup_and_none_are_findings(lab: InventoryCopy):
    checks = [[one["check"] for one in judged(lab, run(), *entries)["databases"][0]["findings"]]
              for entries in ([backup(2)], [], [backup(2), backup(0.2)])]  # fmt: skip
    assert checks == [["backup_old"], ["backup_never"], []]


def test_growth_says_when_the_disk_is_full(lab: InventoryCopy):
    past = {"databases": [{"item": "database:mediation", "measures": {"size_bytes": 1000}}]}
    found = judged(lab, run(), backup(0.2), entry("inspect-databases", 10, past))["databases"][0]["findings"]
    assert [(one["check"], one["evidence"]["days"], one["object"]) for one in found] == [("full_soon", 40, "/d")]
    soon = judged(lab, run(), backup(0.2), entry("inspect-databases", 0.5, past))["databases"][0]["findings"]
    assert soon == [], "half a day says nothing"


def keys(node: Any, above: str = "") -> set[str]:
    if not isinstance(node, dict):
        return {above}
    return {name for key, value in node.items() for name in keys(value, f"{above}.{key}")}


def test_both_languages_say_the_same_with_the_same_figures():
    texts = {lang: yaml.safe_load((FOLDER / f"{lang}.yml").read_text(encoding="utf-8")) for lang in ("en", "zh")}
    assert keys(texts["en"]) == keys(texts["zh"])
    for name, check in texts["en"]["check"].items():
        places = [
            {field for _, field, _, _ in string.Formatter().parse(one["evidence"]) if field}
            for one in (check, texts["zh"]["check"][name])
        ]
        assert places[0] == places[1], name


FACTS: dict[str, Any] = {
    "server": {"max_connections": 1, "up_seconds": 1},
    "unknown": [],
    "sessions": [{"total": 1, "active": 1, "idle_in_transaction": 0, "hidden": 1}],
    "long": [{"pid": 1, "user": "u", "database": "d", "state": "active", "seconds": 1, "age": 1}],
    "prepared": [{"name": "g", "database": "d", "seconds": 1}],
    "blocked": [{"pid": 1, "by": [2], "seconds": 100}],
    "places": [{"place": "/d", "bytes": 100, "free": 0, "tablespaces": [0]}],
    "databases": [{"database": "d", "age": 2**31, "multixact_age": 1}],
    "tables": [{"name": "t", "live": 1, "dead": 5000, "changed": 5000, "held": True, "catalog": False}],
    "indexes": [
        {"number": number, "name": f"i{number}", "table_name": "t", "valid": number < 3, "unique": False,
         "primary": False, "constraint": False, "exclusion": False, "scans": 0, "bytes": 1 << 41, "wanted": 1,
         "known_by": "estimated", "definition": "d"} for number in (1, 2, 3)
    ],
    "sequences": [{"schema": "s", "sequence": "q", "last": 99, "largest": 100}],
    "standbys": [{"name": "n", "state": "streaming", "bytes": 1 << 31}],
    "slots": [{"slot": "s", "active": False, "bytes": 1 << 31}],
    "archiver": [{"mode": "on", "failed": 1, "archived_seconds": None, "failed_seconds": 1}],
    "restart": [{"setting": "x"}],
    "checksums": [{"failures": 1}],
}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_finding_of_a_host_has_words(lab: InventoryCopy, lang: str):
    findings, unknown = judge.judge(FACTS, INSPECTION)
    texts = load_words(lang, "databases").texts["databases"]["check"]
    assert {one["check"] for one in findings} == set(texts) - {"full_soon", "backup_old", "backup_never"}
    document = words.explain(judged(lab, run(findings=findings, unknown=unknown)), lang)
    shown = list(words.rows(document, lang))
    assert len(shown) == len(findings) + len(unknown) + 1
    assert all(all(cells) and "{" not in "".join(cells) for cells in shown)
    assert words.summary(document, lang).endswith("run r-1")


def test_the_gravest_findings_come_first(lab: InventoryCopy):
    findings, unknown = judge.judge(FACTS, INSPECTION)
    document = words.explain(judged(lab, run(findings=findings, unknown=unknown)), "en")
    ranks = [("high", "medium", "low").index(one["severity"]) for one in document["databases"][0]["findings"]]
    assert ranks == sorted(ranks)


def test_a_thousand_findings_of_one_kind_are_counted():
    many = {**FACTS, "restart": [{"setting": f"s{number}"} for number in range(1000)]}
    findings, _ = judge.judge({**many, "checksums": []}, INSPECTION)
    waiting = [one for one in findings if one["check"] == "pending_restart"]
    assert (len(waiting), waiting[-1]["evidence"]) == (51, {"more": 950})
