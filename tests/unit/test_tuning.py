"""Advice on parameters: what each rule proposes and when, what could not be judged, and the words of both languages."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from yunwei_database.tuning_facts import NAMES

from tests.inventories import MEDIATION, InventoryCopy
from yunwei.databases import tuning, tuning_words
from yunwei.databases.tuning_rules import RULES
from yunwei.databases.tuning_server import GIB, MIB, Server, write_size
from yunwei.paths import content_root
from yunwei.policy import Policy

FOLDER = content_root() / "yunwei" / "report" / "words" / "tuning"
# name: (value, unit, context) of a server in order on a machine with 8 GiB and four CPUs
SETTINGS: dict[str, tuple[str, str | None, str]] = {
    "autovacuum": ("on", None, "sighup"),
    "autovacuum_max_workers": ("3", None, "postmaster"),
    "autovacuum_work_mem": ("-1", "kB", "sighup"),
    "checkpoint_completion_target": ("0.9", None, "sighup"),
    "effective_cache_size": ("524288", "8kB", "user"),
    "fsync": ("on", None, "sighup"),
    "full_page_writes": ("on", None, "sighup"),
    "hash_mem_multiplier": ("2", None, "user"),
    "log_temp_files": ("-1", "kB", "superuser"),
    "maintenance_work_mem": ("65536", "kB", "user"),
    "max_connections": ("100", None, "postmaster"),
    "max_parallel_workers": ("4", None, "user"),
    "max_wal_size": ("1024", "MB", "sighup"),
    "max_worker_processes": ("8", None, "postmaster"),
    "shared_buffers": ("262144", "8kB", "postmaster"),
    "shared_preload_libraries": ("pg_stat_statements", None, "postmaster"),
    "track_counts": ("on", None, "superuser"),
    "work_mem": ("4096", "kB", "user"),
}
FILE = {"source": "configuration file", "sourcefile": "/etc/postgresql/15/main/postgresql.conf", "sourceline": 127}
PLACE = f"{FILE['sourcefile']}:{FILE['sourceline']}"


def told(version: int = 150004, **changed: Any) -> dict[str, Any]:
    """Return what an inspection tells of a server in order; `changed` are values of parameters, or parts of it."""
    settings = [
        {"name": name, "setting": changed.get(name, value), "unit": unit, "context": context, "pending_restart": False,
         **FILE}
        for name, (value, unit, context) in SETTINGS.items()
    ]  # fmt: skip
    machine = {"memory": {"bytes": 8 * GIB, "limit": None}, "cpus": {"count": 4, "limit": None}}
    facts = {
        "settings": settings, "own_values": [], "temporary": [{"files": 0, "bytes": 0, "transactions": 5000}],
        "checkpoints": [{"timed": 50, "requested": 3}], "machine": machine, "unknown": [],
    }  # fmt: skip
    facts.update({name: value for name, value in changed.items() if name in facts})
    measures = {"version_number": version, "in_recovery": False, "sessions_total": 20, **changed.get("measures", {})}
    about = {"system": "mediation", "item": "database:mediation", "engine": "postgresql", "not_judged": None}
    return {**about, "measures": measures, "tuning": facts}


def advise(told_of: dict[str, Any], sharing: int = 1) -> tuple[dict[str, Any], dict[str, str]]:
    advice, unknown = tuning.advise(Server(told_of, sharing, 80))
    return {one["rule"]: one for one in advice}, {one["part"]: one["reason"] for one in unknown}


def memory(size: int) -> dict[str, Any]:
    return {"machine": {"memory": {"bytes": size, "limit": "/cg/memory.max"}, "cpus": {"count": 4, "limit": None}}}


def cpus(count: float) -> dict[str, Any]:
    return {"machine": {"memory": {"bytes": 8 * GIB, "limit": None}, "cpus": {"count": count, "limit": "/cg/cpu.max"}}}


def spilled(files: int, transactions: int) -> dict[str, Any]:
    return {"temporary": [{"files": files, "bytes": files * 5 * MIB, "transactions": transactions}]}


def checkpoints(timed: int, requested: int) -> dict[str, Any]:
    return {"checkpoints": [{"timed": timed, "requested": requested}]}


SESSIONS_79, SESSIONS_80 = {"measures": {"sessions_total": 79}}, {"measures": {"sessions_total": 80}}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"fsync": "off"}, {"fsync": "on"}),
        ({"full_page_writes": "off"}, {"full_page_writes": "on"}),
        ({"autovacuum": "off"}, {"autovacuum": "on"}),
        ({"track_counts": "off"}, {"track_counts": "on"}),
        ({"shared_buffers": "131072"}, {}),
        ({"shared_buffers": "131071"}, {"shared_buffers_small": "2GB"}),
        ({"shared_buffers": "16384", **memory(GIB - 1), "effective_cache_size": "65536"}, {}),
        ({"shared_buffers": "419430"}, {}),
        ({"shared_buffers": "419431"}, {"shared_buffers_large": "2GB"}),
        ({"shared_buffers": "262144", **memory(4 * GIB)}, {"shared_buffers_large": "1GB"}),
        ({"effective_cache_size": "262143"}, {"effective_cache_size": "4GB"}),
        ({"effective_cache_size": "1048577"}, {"effective_cache_size": "4GB"}),
        ({"effective_cache_size": "1048576"}, {}),
        ({"work_mem": "31457"}, {}),
        ({"work_mem": "31458"}, {"work_mem_large": "30MB"}),
        ({"work_mem": "31458", "hash_mem_multiplier": "1"}, {}),
        ({"max_connections": "800"}, {"work_mem_large": "3MB"}),
        (spilled(100, 10000), {"work_mem_small": "8MB", "log_temp_files": "0"}),
        ({**spilled(100, 10000), "log_temp_files": "10240"}, {"work_mem_small": "8MB"}),
        ({**spilled(100, 10000), "work_mem": "20480"}, {"log_temp_files": "0"}),
        (spilled(100, 10001), {}),
        (spilled(99, 100), {}),
        ({"maintenance_work_mem": "8388608"}, {}),
        ({"maintenance_work_mem": "8388608", "autovacuum_max_workers": "7"}, {"maintenance_work_mem": "877MB"}),
        ({"autovacuum_work_mem": "2097152", "autovacuum_max_workers": "7"}, {"autovacuum_work_mem": "877MB"}),
        (SESSIONS_79, {}),
        (SESSIONS_80, {"max_connections": "110"}),
        ({"max_parallel_workers": "5"}, {"max_parallel_workers": "4"}),
        (cpus(2.5), {"max_parallel_workers": "2"}),
        (cpus(0.5), {"max_parallel_workers": "1"}),
        ({"max_worker_processes": "3"}, {"max_parallel_workers": "3"}),
        (checkpoints(10, 11), {"max_wal_size": "2GB"}),
        (checkpoints(11, 11), {}),
        (checkpoints(0, 9), {}),
        ({"checkpoint_completion_target": "0.5"}, {"checkpoint_completion_target": "0.9"}),
        ({"shared_preload_libraries": ""}, {"statements": "pg_stat_statements"}),
        ({"shared_preload_libraries": "auto_explain, x"}, {"statements": "auto_explain,x,pg_stat_statements"}),
    ],
)
def test_each_rule_proposes_from_its_limit_on(changed: dict[str, Any], expected: dict[str, str]):
    advice, unknown = advise(told(**changed))
    assert ({name: one["proposed"] for name, one in advice.items()}, unknown) == (expected, {})


@pytest.mark.parametrize(
    ("version", "changed", "expected"),
    [
        (90603, {"max_parallel_workers": "9"}, {}),
        (90603, {"work_mem": "31458"}, {}),
        (170002, {"maintenance_work_mem": "2097153"}, {"maintenance_work_mem": "2GB"}),
        (160002, {"maintenance_work_mem": "2097153"}, {}),
    ],
)
def test_a_rule_knows_the_version(version: int, changed: dict[str, Any], expected: dict[str, str]):
    assert {name: one["proposed"] for name, one in advise(told(version, **changed))[0].items()} == expected


MEMORY_RULES = {
    "shared_buffers_small", "shared_buffers_large", "effective_cache_size", "work_mem_large", "maintenance_work_mem"
}  # fmt: skip


def without(part: str, reason: str) -> dict[str, Any]:
    found = told()
    found["tuning"]["machine"].pop(part, None)
    found["tuning"].pop(part, None)
    found["tuning"]["unknown"] = [{"part": part, "reason": reason}]
    return found


@pytest.mark.parametrize(
    ("found", "rules", "said"),
    [
        (without("memory", "the cgroup /x"), MEMORY_RULES, "memory could not be read: the cgroup /x"),
        (without("cpus", "no list"), {"max_parallel_workers"}, "cpus could not be read: no list"),
        (without("settings", "gone"), {rule.name for rule in RULES} - {"max_wal_size", "work_mem_small",
         "log_temp_files"}, "settings could not be read: gone"),
        (without("temporary", "timeout"), {"work_mem_small", "log_temp_files"}, "temporary could not be read: timeout"),
        (without("checkpoints", "timeout"), {"max_wal_size"}, "checkpoints could not be read"),
        (told(temporary=[]), {"work_mem_small", "log_temp_files"}, "the server counts nothing of temporary"),
        (told(work_mem="9999999", max_connections="99999"), {"work_mem_large"}, "no value fits"),
        (told(max_connections="20", work_mem="150000"), {"max_connections"}, "connection pool first"),
    ],
)  # fmt: skip
def test_what_was_not_read_is_not_guessed(found: dict[str, Any], rules: set[str], said: str):
    advice, unknown = advise(found)
    assert (advice, set(unknown)) == ({}, rules)
    assert all(said in reason for reason in unknown.values())


def test_sessions_that_were_not_counted_are_not_few():
    found = told()
    del found["measures"]["sessions_total"]
    assert set(advise(found)[1]) == {"max_connections"}


def test_a_parameter_that_the_role_may_not_see_is_named():
    found = told()
    found["tuning"]["settings"] = [
        row for row in found["tuning"]["settings"] if row["name"] != "shared_preload_libraries"
    ]
    advice, unknown = advise(found)
    assert (advice, set(unknown)) == ({}, {"statements"})
    assert "may not see shared_preload_libraries: grant it pg_read_all_settings" in unknown["statements"]


@pytest.mark.parametrize("source", ["user", "database user", "session", "client"])
def test_what_our_own_role_has_is_not_taken_for_the_applications(source: str):
    found = told()
    for row in found["tuning"]["settings"]:
        row.update({"source": source} if row["name"] == "effective_cache_size" else {})
    advice, unknown = advise(found)
    assert (advice, set(unknown)) == ({}, {"effective_cache_size"})


def test_memory_that_several_servers_share_could_not_be_judged():
    advice, unknown = advise(told(shared_buffers="16384"), sharing=2)
    assert (advice, set(unknown)) == ({}, MEMORY_RULES)
    assert "2 database servers of policy share" in unknown["work_mem_large"]


def test_an_advice_tells_the_value_now_its_place_the_page_and_what_it_takes():
    advice = advise(told(shared_buffers="16384"))[0]["shared_buffers_small"]
    assert advice["now"] == {"value": "128MB", "pending_restart": False, **FILE}
    assert (advice["proposed"], advice["apply"], advice["notes"]) == ("2GB", "restart", {})
    assert advice["page"] == "https://www.postgresql.org/docs/15/runtime-config-resource.html"
    assert advice["evidence"] == {"memory_bytes": 8 * GIB, "percent": 1.6}


@pytest.mark.parametrize(
    ("version", "major"), [(90603, "14"), (130004, "14"), (150004, "15")]
)  # the documentation before 14 does not say so
def test_a_page_is_one_that_says_it(version: int, major: str):
    advice = advise(told(version, checkpoint_completion_target="0.5"))[0]["checkpoint_completion_target"]
    assert (advice["page"].split("/")[4], advice["apply"]) == (major, "reload")
    assert advise(told(90603, fsync="off"))[0]["fsync"]["page"].split("/")[4] == "9.6"


OWN = [
    {"name": "work_mem", "value": "1GB", "database": None, "role": "报表"},
    {"name": "work_mem", "value": "2GB", "database": "mediation", "role": None},
    {"name": "fsync", "value": "x", "database": None, "role": None},
]


@pytest.mark.parametrize(
    ("row", "changed", "notes"),
    [
        ({"pending_restart": True}, {}, {"pending": "work_mem"}),
        ({}, {"own_values": OWN}, {"own_values": "报表 in *: 1GB; * in mediation: 2GB"}),
        ({"source": "command line", "sourcefile": None}, {}, {"command_line": "work_mem"}),
        ({"sourcefile": None}, {}, {"place_hidden": "work_mem"}),
        ({"source": "default", "sourcefile": None}, {}, {}),
        ({}, {"measures": {"in_recovery": True}}, {"standby": "work_mem"}),
    ],
)
def test_what_speaks_against_it_here_is_noted(row: dict[str, Any], changed: dict[str, Any], notes: dict[str, str]):
    found = told(work_mem="999999", **changed)
    next(one for one in found["tuning"]["settings"] if one["name"] == "work_mem").update(row)
    advice = advise(found)[0]["work_mem_large"]
    assert advice["notes"] == notes
    database = {"host": "db1", "item": "database:mediation", "advice": [advice], "unknown": []}
    for lang in ("en", "zh"):
        (told_of,) = tuning_words.explain({"databases": [database]}, lang)["databases"][0]["advice"]
        assert len(told_of["against"]) == 1 + len(notes)
        assert "{" not in "".join(told_of["against"])


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1023, "1023B"), (8192, "8kB"), (GIB, "1GB"), (1536 * MIB, "1536MB")]
)
def test_a_size_is_written_so_that_postgresql_takes_it(size: int, text: str):
    assert write_size(size) == text


def test_every_parameter_of_a_rule_is_read_on_hosts():
    assert {rule.setting for rule in RULES} <= set(NAMES)
    assert set(SETTINGS) == set(NAMES)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return InventoryCopy(tmp_path_factory.mktemp("lab")).load()


def run(*databases: dict[str, Any]) -> dict[str, Any]:
    results = [{"host": "db1", "yunwei": {"system": "mediation", "databases": list(databases)}}]
    return {"run_id": "r-1", "evidence_id": "e", "results": results, "systems": ["mediation"], "reason": None}


def test_verdicts_and_exit_codes(policy: Policy):
    ends = [
        tuning.judge(document, policy)
        for document in (run(told()), run(told(fsync="off")), run(without("cpus", "r")), run())
    ]
    assert [(one["verdict"], one["exit_code"]) for one in ends] == [
        ("passed", 0), ("advice", 1), ("could not judge", 4), ("could not judge", 4)
    ]  # fmt: skip
    assert ends[3]["databases"][0]["unknown"][0]["part"] == "database"
    refused = {"system": "mediation", "item": "database:mediation", "engine": "dameng", "not_judged": "no driver"}
    (one,) = tuning.judge(run(refused), policy)["databases"]
    assert (one["advice"], one["unknown"]) == ([], [{"part": "database", "reason": "no driver"}])


def test_servers_of_a_host_are_counted_by_their_ports(tmp_path: Path):
    lab = InventoryCopy(tmp_path)
    second = (
        "  - name: second\n    engine: postgresql\n    host: db1\n    port: 5433\n"
        '    schedule: {every: day, at: "01:30"}\n'
    )
    lab.edit(MEDIATION, "databases:\n", "databases:\n" + second)
    document = run(told(), {**told(), "item": "database:second"})
    databases = tuning.judge(document, lab.load())["databases"]
    assert [{one["part"] for one in database["unknown"]} for database in databases] == [MEMORY_RULES] * 2


def leaves(node: Any, above: str = "") -> dict[str, str]:
    if not isinstance(node, dict):
        return {above: node}
    return {name: text for key, value in node.items() for name, text in leaves(value, f"{above}.{key}").items()}


def places(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


def test_both_languages_say_the_same_with_the_same_figures():
    english, chinese = (
        leaves(yaml.safe_load((FOLDER / f"{lang}.yml").read_text(encoding="utf-8"))) for lang in ("en", "zh")
    )
    assert {key: places(text) for key, text in english.items()} == {key: places(text) for key, text in chinese.items()}


EVERYTHING = [
    told(fsync="off", full_page_writes="off", autovacuum="off", track_counts="off", shared_buffers="16384",
         effective_cache_size="1", checkpoint_completion_target="0.5", shared_preload_libraries="", **SESSIONS_80,
         max_parallel_workers="9", **checkpoints(1, 99), **spilled(100, 100)),
    told(shared_buffers="999999", work_mem="999999", maintenance_work_mem="8388608", autovacuum_max_workers="9"),
    told(autovacuum_work_mem="8388608", autovacuum_max_workers="9"),
]  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_rule_has_words(policy: Policy, lang: str):
    document = tuning_words.explain(tuning.judge(run(*EVERYTHING, without("cpus", "r")), policy), lang)
    told_rules = {one["rule"] for database in document["databases"] for one in database["advice"]}
    assert told_rules == {rule.name for rule in RULES}
    shown = list(tuning_words.rows(document, lang))
    assert all(len(cells) == len(tuning_words.COLUMNS) and "{" not in "".join(cells) for cells in shown)
    assert tuning_words.summary(document, lang).endswith("run r-1")
    english = "It is 1.6 % of 8.0 GB of memory"
    assert any(cells[4].startswith(english) for cells in shown) == (lang == "en")
    assert [cells[2] for cells in shown if cells[1] == "shared_preload_libraries"] == [f"'' ({PLACE})"]
    assert shown[4][2] == f"128MB ({PLACE})"
