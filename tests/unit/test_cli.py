"""Wrong words end with exit code 2, a clear line, and nothing started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from yunwei import launch
from yunwei.cli import main
from yunwei.paths import content_root

LAB = str(content_root() / "inventories" / "lab")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "bakc-up", "-i", LAB], "Did you mean back-up"),
        (["run", "drill-restore", "-i", LAB], "has a command of its own"),
        (["run", "back-up", "-i", LAB, "--system", "mediatoin"], "mediation"),
        (["verify", "list-backups", "-i", LAB], "no state on a host"),
        (["run", "back-up", "-i", "/nowhere"], "no such inventory"),
        (["drill", "-i", LAB, "--system", "nothing-like-it"], "nothing-like-it"),
        (["recover", "-i", LAB, "--system", "mediation", "--to", "bd1"], "Did you mean 'db1'?"),
        (["recover", "-i", LAB, "--system", "mediation", "--to", "app1", "db1=bd1"], "there is no host 'bd1'"),
    ],
)
def test_wrong_names_are_told_at_once(words, said, capsys):
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_json_says_an_error_as_one_document(capsys):
    assert main(["run", "bakc-up", "-i", LAB, "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["exit_code"] == 2
    assert "back-up" in document["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run"],
        ["calendar", "check", "--system", "s"],
        ["backups", "verify", "--part", "1/2", "--all"],
        ["lab", "explode"],
        ["drill", "--system", "mediation", "--handed-over", "yesterday"],
        ["drill", "--system", "mediation", "--handed-over", "2026-03-31T09:00:00"],
    ],
)
def test_the_parser_refuses_with_exit_code_2(words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_validate_shows_every_problem_and_exits_2(tmp_path: Path, capsys):
    (tmp_path / "policy").mkdir()
    (tmp_path / "hosts.yml").write_text("all: {hosts: {one: {}}}\n", encoding="utf-8")
    (tmp_path / "policy" / "estate.yml").write_text("name: [\n", encoding="utf-8")
    assert main(["validate", "-i", str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["problems"]


def test_help_imports_nothing_slow():
    code = "import sys; from yunwei.cli.parser import build_parser; build_parser(); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for slow in (
        "'ansible_runner'",
        "'hvac'",
        "'fabric'",
        "'pydantic'",
        "'rich'",
        "'ansible'",
        "'dateutil'",
        "'icalendar'",
    ):
        assert slow not in loaded


def test_list_jobs_as_json(capsys):
    assert main(["list", "jobs", "--json"]) == 0
    assert {"back-up", "sync-to-miyun"} <= {row["job"] for row in json.loads(capsys.readouterr().out)}


SAID = "record 0123456789ab of 2026-03-01T00:00:00Z: 90 of 100 rows vanished"


@pytest.mark.parametrize("words", [["run", "back-up"], ["backups", "list"]])
def test_what_is_suspicious_is_shown(words, capsys, monkeypatch):
    lines = [
        {"system": "s", "item": "files:a", "status": "accepted, suspicious", "record": "0" * 64, "suspicious": [SAID]},
        {"system": "s", "item": "files:a", "status": "present", "record": "1" * 64, "held_by": ["0123456789ab" * 5]},
    ]
    empty = {"failures": [], "results": [], "reason": None, "verification": None, "check": False}
    empty |= {"job": "back-up", "run_id": "r-1"}
    document = {**empty, "status": "done", "exit_code": 0, "items": lines}
    monkeypatch.setattr(launch, "launch", lambda *_: launch.Result(document))
    assert main([*words, "-i", LAB]) == 0
    shown = capsys.readouterr().out.replace("\n", " ")
    assert "SUSPICIOUS" in shown
    assert "rows" in shown
    assert ("held: record" in " ".join(shown.split())) == (words[0] == "backups")
