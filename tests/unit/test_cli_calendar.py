"""`yunwei calendar` as a user types it: exit codes, one JSON document, tables."""

import json
from pathlib import Path

import pytest

from tests.inventories import InventoryCopy
from yunwei.cli import main
from yunwei.paths import content_root

LAB = str(content_root() / "inventories" / "lab")
CHECK = ["calendar", "check", "-i", LAB, "--system", "legalservice", "--duration", "45m"]
OPEN, CLOSED = "2026-11-28T23:30", "2026-11-25T10:00"


@pytest.mark.parametrize(
    ("what", "at", "code"),
    [
        (["--class", "disruptive"], OPEN, 0),
        (["--class", "disruptive"], CLOSED, 3),
        (["--class", "routine"], CLOSED, 0),
        (["--class", "emergency"], CLOSED, 0),
        (["--job", "back-up"], CLOSED, 0),
        (["--job", "recover-system"], CLOSED, 0),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_check_answers_by_its_exit_code(what, at, code, as_json, capsys):
    assert main([*CHECK, *what, "--at", at, *(["--json"] if as_json else [])]) == code
    said = capsys.readouterr().out
    if as_json:
        assert json.loads(said)["may_begin"] is (code == 0)
    else:
        assert said.startswith("may begin: " if code == 0 else "REFUSED: ")


def test_a_refusal_names_the_rule_and_the_next_opening(capsys):
    assert main([*CHECK, "--class", "disruptive", "--at", CLOSED]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "REFUSED: a change (disruptive) on legalservice, 2026-11-25 10:00 Wed, 45m"
    assert "policy/calendar/calendar.yml: windows[0]" in said[1]
    assert said[-1] == "  next opening with room: 2026-11-28 23:30 Sat to 2026-11-29 05:00 Sun"


def test_the_refusal_as_json(capsys):
    assert main([*CHECK, "--class", "disruptive", "--at", CLOSED, "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["next_opening"] == {
        "begin": "2026-11-28T23:30:00+08:00",
        "end": "2026-11-29T05:00:00+08:00",
        "latest_begin": "2026-11-29T04:15:00+08:00",
    }
    assert document["reasons"][0]["rules"] == ["policy/calendar/calendar.yml: windows[0]"]
    assert (document["class"], document["job"], document["duration_seconds"]) == ("disruptive", None, 2700)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "--job", "bakc-up", "--system", "mediation", "--duration", "1h"], "Did you mean back-up"),
        (["check", "--job", "back-up", "--system", "mediaton", "--duration", "1h"], "Did you mean 'mediation'"),
        (["check", "--job", "back-up", "--system", "mediation", "--duration", "soon"], "no duration"),
        (["check", "--job", "back-up", "--system", "mediation", "--duration", "1h", "--at", "x"], "no time"),
        (["check", "--job", "back-up", "--duration", "1h"], "name a system"),
        (["show", "--system", "mediaton"], "Did you mean 'mediation'"),
        (["import", "/nowhere.ics"], "cannot be read"),
        (["import", "/dev/null", "--system", "mediaton"], "Did you mean 'mediation'"),
        (["export", "-o", "/nowhere/file"], "cannot be written"),
    ],
)
def test_wrong_words_end_with_2(words, said, capsys):
    assert main(["calendar", words[0], "-i", LAB, *words[1:]]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "401", "-1", "x", "１"])
def test_the_number_of_days_is_bounded(days):
    with pytest.raises(SystemExit) as ended:
        main(["calendar", "show", "-i", LAB, "--days", days])
    assert ended.value.code == 2


def test_show_is_a_table_in_the_order_of_time(capsys):
    assert main(["calendar", "show", "-i", LAB, "--at", "2026-09-25T12:00", "--days", "14"]) == 0
    said = capsys.readouterr().out
    assert "14 days from 2026-09-25 12:00 Fri (Asia/Shanghai)" in said
    rows = [line for line in said.splitlines() if line.startswith("│ 2026")]
    assert [row[2:18] for row in rows] == sorted(row[2:18] for row in rows)
    for word in ("国庆节保障期 National Day", "中秋 Mid-autumn Festival", "周末夜间窗口 Weekend nights", "closed"):
        assert word in said


def test_show_as_json(capsys):
    assert main(["calendar", "show", "-i", LAB, "--at", "2026-09-25T12:00", "--system", "mediation", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["from"], document["timezone"]) == ("2026-09-25T12:00:00+08:00", "Asia/Shanghai")
    freeze = next(entry for entry in document["entries"] if entry["kind"] == "freeze")
    assert freeze == {
        "kind": "freeze",
        "begin": "2026-09-28T00:00:00+08:00",
        "end": "2026-10-09T00:00:00+08:00",
        "name": {"zh": "国庆节保障期", "en": "National Day"},
        "rule": "policy/calendar/calendar.yml: freezes[1]",
        "systems": [],
        "hosts": [],
        "note": "",
    }


def test_an_export_is_imported_into_a_file_that_policy_can_use(tmp_path: Path, capsys):
    lab = InventoryCopy(tmp_path)
    exported, added = tmp_path / "lab.ics", lab.folder / "policy" / "calendar" / "added.yml"
    assert main(["calendar", "export", "-i", str(lab.folder), "-o", str(exported), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"output": str(exported), "windows": 2, "freezes": 2}
    words = ["calendar", "import", str(exported), "-i", str(lab.folder)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert main([*words, "-o", str(added)]) == 0
    assert capsys.readouterr().out == ""
    assert added.read_text(encoding="utf-8") == printed
    assert len(lab.load().calendar.windows) == 4
    assert main([*words, "-o", str(added)]) == 2
    assert "cannot be made: File exists" in capsys.readouterr().err


def test_an_import_for_a_system_that_is_not_here_is_refused(tmp_path: Path, capsys):
    event = "UID:1\nDTSTART;VALUE=DATE:20270301\nSUMMARY:x\nX-YUNWEI-KIND:freeze\nX-YUNWEI-SYSTEMS:mediaton\n"
    file = tmp_path / "a.ics"
    file.write_text(f"BEGIN:VCALENDAR\nBEGIN:VEVENT\n{event}END:VEVENT\nEND:VCALENDAR\n", encoding="utf-8")
    assert main(["calendar", "import", str(file), "-i", LAB]) == 2
    assert "freezes[0].systems[0]: found 'mediaton'" in capsys.readouterr().err
