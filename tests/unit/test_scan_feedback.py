"""Acceptances and the feedback document: nothing is called fixed without a re-scan, and no cell is a formula."""

import csv
import io
import json
import stat
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import docx
import openpyxl
import pytest

from tests.scan_reports import Importer, logged_in, nessus, nessus_host, nessus_item, trivy
from yunwei.cli import main
from yunwei.errors import UsageError
from yunwei.report.words import load_words
from yunwei.scan import diff, feedback, feedback_files
from yunwei.scan.changes import Change
from yunwei.scan.findings import findings_of
from yunwei.scan.store import ScanStoreError
from yunwei.scan.waivers import waive, waivers

TODAY = date.today()
LATER = TODAY + timedelta(days=30)
OTHER = "192.0.2.12"
MADE_BY_US = {"changed", "tested_fixed", "tested_open"}
DISPOSITION, NAME = feedback.COLUMNS.index("disposition"), feedback.COLUMNS.index("name")


@pytest.fixture
def importer(tmp_path):
    return Importer(tmp_path)


@pytest.fixture
def old(importer):
    items = [nessus_item(number, name=f"Flaw {number}") for number in (1, 2, 3)]
    return importer.read(nessus(nessus_host(items), nessus_host([nessus_item(4, name="Flaw 4")], OTHER)))["id"]


def _dispositions(importer, identity, after=None, today=TODAY, lang="zh"):
    made = feedback.make(importer.store, identity, after, today, lang)
    return {row[NAME]: row[DISPOSITION] for row in made.rows}


def _finding(importer, identity, name):
    return next(one.id for one in findings_of(importer.store, identity) if one.name == name)


def test_without_a_re_scan_everything_is_open(importer, old):
    assert set(_dispositions(importer, old).values()) == {"待处置"}


def test_a_re_scan_tells_gone_still_there_and_not_scanned_apart(importer, old):
    again = importer.read(nessus(nessus_host([nessus_item(2, name="Flaw 2")])))["id"]
    assert _dispositions(importer, old, again) == {
        "Flaw 1": "复扫未再发现", "Flaw 2": "复扫仍存在", "Flaw 3": "复扫未再发现", "Flaw 4": "未复扫",
    }  # fmt: skip


def test_why_it_was_not_re_tested_is_said_in_the_document_s_language(importer, old):
    again = importer.read(nessus(nessus_host([], tags=logged_in("true"))))["id"]
    for lang, said in (("zh", "扫描凭据不同"), ("en", "same credentials")):
        made = feedback.make(importer.store, old, again, TODAY, lang)
        evidence = {row[NAME]: row[feedback.COLUMNS.index("evidence")] for row in made.rows}
        assert said in evidence["Flaw 1"]
        assert again in evidence["Flaw 1"]


def test_whoever_vouches_for_the_login_is_named_in_the_document(importer, tmp_path):
    reports = [nessus(nessus_host(items, tags="")) for items in ([nessus_item(1)], [])]
    identity, after = (importer.read(one)["id"] for one in reports)
    made = [feedback.make(importer.store, identity, after, TODAY, "zh", same_login=one) for one in (False, True)]
    assert [one.rows[0][DISPOSITION] for one in made] == ["未复测", "复扫未再发现"]
    assert [[word for word, _ in one.facts].count("登录方式") for one in made] == [0, 1]


def test_an_acceptance_shows_until_its_day_and_then_as_expired(importer, old):
    waive(importer.store, _finding(importer, old, "Flaw 1"), "隔离网络", "处长", LATER)
    assert _dispositions(importer, old)["Flaw 1"] == f"接受至 {LATER}"
    assert _dispositions(importer, old, today=LATER)["Flaw 1"] == f"接受至 {LATER}"
    assert _dispositions(importer, old, today=LATER + timedelta(days=1))["Flaw 1"] == f"接受已于 {LATER} 到期"


def test_an_acceptance_holds_in_the_next_report_of_the_same_finding(importer, old):
    waive(importer.store, _finding(importer, old, "Flaw 1"), "r", "a", LATER)
    again = importer.read(nessus(nessus_host([nessus_item(1, name="Other words")])))["id"]
    assert _dispositions(importer, again) == {"Other words": f"接受至 {LATER}"}


def test_the_last_acceptance_of_a_finding_holds(importer, old):
    one = _finding(importer, old, "Flaw 1")
    waive(importer.store, one, "first", "a", LATER)
    waive(importer.store, one, "second", "a", LATER)
    assert waivers(importer.store)[one].reason == "second"
    path = importer.store.folder / "waivers.jsonl"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"finding": "f-0000000000000000"}, "no stored report"), ({"finding": "x"}, "no stored report"),
     ({"reason": " "}, "a reason"), ({"approver": ""}, "an approver"), ({"until": TODAY}, "not ahead")],
)  # fmt: skip
def test_an_acceptance_that_says_too_little_is_refused(importer, old, changed, said):
    words = {"finding": _finding(importer, old, "Flaw 1"), "reason": "r", "approver": "a", "until": LATER, **changed}
    with pytest.raises(UsageError, match=said):
        waive(importer.store, **words)
    assert waivers(importer.store) == {}


def test_every_disposition_has_its_words_in_both_languages():
    states = {*diff.VERDICTS, "accepted", "expired", "open", *MADE_BY_US} - {"new", "new_host"}
    texts = [load_words(lang, "scan").texts["scan"] for lang in ("zh", "en")]
    assert [one.keys() for one in texts[:1]] == [one.keys() for one in texts[1:]]
    assert len(feedback_files._WIDTHS) == len(feedback.COLUMNS)
    for one in texts:
        assert set(one["disposition"]) == set(one["evidence"]) == set(one["next"]) == states
        assert set(one["column"]) == set(feedback.COLUMNS)
        assert set(one["reason"]) == set(diff.REASONS)
        assert set(one["change"]) == {"made", "undone"}


EARLY, LATE = "2026-03-01T01:00:00.000Z", "2026-03-01T02:00:00.000Z"
CHANGED = Change("", "fl-app1", "s-1", ["sshd-x11"], "r-change", "userpass:engineer", EARLY)
UNDONE = replace(CHANGED, undone="r-undo", undone_time=LATE)
SEEN = "Flaw 2"  # a re-scan still names it


@pytest.mark.parametrize(
    ("change", "tests", "said"),
    [
        (None, {}, "待处置"),
        (None, {LATE: "fixed"}, "已整改，自测通过"),
        (None, {LATE: "open"}, "自测未通过"),
        (None, {LATE: "could not judge"}, "待处置"),
        (None, {LATE: "could not judge", EARLY: "fixed"}, "待处置"),
        (None, {LATE: "fixed", EARLY: "open"}, "已整改，自测通过"),
        (None, {EARLY: "fixed", LATE: "open"}, "自测未通过"),
        (CHANGED, {}, "已整改，待自测"),
        (CHANGED, {LATE: "fixed"}, "已整改，自测通过"),
        (CHANGED, {LATE: "could not judge"}, "已整改，待自测"),
        (replace(CHANGED, time=LATE), {EARLY: "open"}, "已整改，待自测"),
        (UNDONE, {}, "待处置"),
        (UNDONE, {EARLY: "fixed"}, "待处置"),
    ],
)
def test_the_newest_self_test_counts_unless_something_was_changed_since(importer, old, change, tests, said):
    names = {one.name: one.id for one in findings_of(importer.store, old)}
    keep_tests(importer, old, names.values(), tests)
    changes = {name: replace(change, finding=name) for name in names.values()} if change else {}
    made = feedback.make(importer.store, old, None, TODAY, "zh", changes=changes)
    assert {row[DISPOSITION] for row in made.rows} == {said}


def keep_tests(importer, report, findings, tests):
    for number, (time, verdict) in enumerate(tests.items()):
        rows = [{"finding": one, "verdict": verdict, "why": "why", "rules": ["sshd-x11"]} for one in findings]
        document = {"run_id": f"r-{number}", "evidence_id": f"r-test-{time[11:13]}", "time": time, "findings": rows}
        path = importer.store.folder / f"{report}.r-{number}.retest.json"
        path.write_text(json.dumps(document), encoding="utf-8")


def test_a_re_scan_and_an_acceptance_outweigh_the_self_test(importer, old):
    names = {one.name: one.id for one in findings_of(importer.store, old)}
    keep_tests(importer, old, names.values(), {LATE: "fixed"})
    waive(importer.store, names["Flaw 3"], "r", "a", LATER)
    again = importer.read(nessus(nessus_host([nessus_item(2, name=SEEN), nessus_item(3, name="Flaw 3")])))["id"]
    assert _dispositions(importer, old, again) == {
        "Flaw 1": "复扫未再发现", SEEN: "复扫仍存在", "Flaw 3": f"接受至 {LATER}", "Flaw 4": "已整改，自测通过",
    }  # fmt: skip


def test_the_document_leads_from_a_finding_to_its_change_and_the_records(importer, old):
    finding = _finding(importer, old, "Flaw 1")
    keep_tests(importer, old, [finding], {LATE: "fixed"})
    made = feedback.make(importer.store, old, None, TODAY, "en", changes={finding: CHANGED})
    (row,) = [row for row in made.rows if row[NAME] == "Flaw 1"]
    cells = dict(zip(feedback.COLUMNS, row, strict=True))
    assert cells["change"] == "sshd-x11 set at 2026-03-01 01:00 UTC by userpass:engineer"
    assert cells["evidence_id"] == "r-change\nr-test-02"
    assert cells["evidence"].startswith("self-test of 2026-03-01 02:00 UTC: every setting of sshd-x11 is in force")
    undone = feedback.make(importer.store, old, None, TODAY, "en", changes={finding: UNDONE})
    (row,) = [row for row in undone.rows if row[NAME] == "Flaw 1"]
    assert row[feedback.COLUMNS.index("change")].endswith("; taken back at 2026-03-01 02:00 UTC")
    assert row[feedback.COLUMNS.index("evidence_id")] == "r-change\nr-undo\nr-test-02"


def test_a_damaged_self_test_is_named_and_one_of_another_report_is_none_of_this(importer, old):
    keep_tests(importer, "s-000000000000", [_finding(importer, old, "Flaw 1")], {LATE: "fixed"})
    assert set(_dispositions(importer, old).values()) == {"待处置"}
    (importer.store.folder / f"{old}.r-9.retest.json").write_text("{", encoding="utf-8")
    with pytest.raises(ScanStoreError, match=r"r-9\.retest\.json cannot be read"):
        _dispositions(importer, old)


HOSTILE = "=cmd|' /C calc'!A0 <script>alert(1)</script> {{ 7*7 }} \x1b[31m\u202e"


@pytest.fixture
def hostile(importer):
    flaws = [
        {"VulnerabilityID": f"CVE-2020-000{number}", "PkgName": start, "Title": HOSTILE, "Severity": "HIGH"}
        for number, start in enumerate(["=1+1", "+1", "-1", "@SUM(A1)"])
    ]
    identity = importer.read(trivy(*flaws))["id"]
    return feedback.make(importer.store, identity, None, TODAY, "zh")


def _written(hostile, tmp_path, ending):
    path = tmp_path / f"f{ending}"
    feedback_files.write(hostile, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".new")] == []
    return path


def test_a_workbook_holds_text_and_no_formula(hostile, tmp_path):
    sheet = openpyxl.load_workbook(_written(hostile, tmp_path, ".xlsx"))["整改反馈"]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    names = [cell.value for cell in cells if "cmd|" in cell.value]
    assert len(names) == 4
    assert all("⟨U+001B⟩" in name and "⟨U+202E⟩" in name for name in names)


def test_a_text_for_word_processors_holds_every_finding(hostile, tmp_path):
    document = docx.Document(str(_written(hostile, tmp_path, ".docx")))
    counts, findings = document.tables
    assert len(findings.rows) == 1 + len(hostile.rows)
    assert [cell.text for cell in findings.rows[0].cells] == hostile.columns
    assert "cmd|" in findings.rows[1].cells[NAME].text
    assert counts.rows[1].cells[2].text == "4"


def test_no_cell_of_a_csv_begins_a_formula(hostile, tmp_path):
    content = _written(hostile, tmp_path, ".csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    cells = [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    assert len([cell for cell in cells if cell.startswith("'=1+1:")]) == 1


def test_a_page_escapes_and_loads_nothing(hostile, tmp_path):
    page = _written(hostile, tmp_path, ".html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page
    assert "default-src 'none'" in page
    assert "漏洞整改反馈" in page


def test_another_ending_and_too_long_a_text_are_refused(hostile, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="ending must be one of"):
        feedback_files.write(hostile, tmp_path / "f.pdf")
    monkeypatch.setattr(feedback_files, "MOST_ROWS_OF_A_TEXT", 3)
    with pytest.raises(UsageError, match="too many"):
        feedback_files.write(hostile, tmp_path / "f.docx")
    assert not list(tmp_path.glob("f.*"))


def test_the_commands_go_from_a_report_to_its_feedback(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    example = str(Path(__file__).parents[2] / "inventories" / "example")
    assert main(["scan", "import", str(Importer(tmp_path).write(nessus())), "-i", example]) == 0
    identity = next((tmp_path / "state" / "scans").glob("s-*.sqlite")).stem
    capsys.readouterr()
    assert main(["scan", "show", identity, "--json"]) == 0
    finding = json.loads(capsys.readouterr().out)["rows"][0]["id"]
    words = ["--reason", "r", "--approver", "a", "--until", LATER.isoformat()]
    assert main(["scan", "waive", finding, *words]) == 0
    assert main(["scan", "feedback", identity]) == 0
    path = Path(capsys.readouterr().out.splitlines()[-1])
    assert path == tmp_path / "state" / "feedback" / f"{identity}.xlsx"
    values = [cell.value for row in openpyxl.load_workbook(path).active for cell in row]
    assert f"接受至 {LATER}" in values
    assert main(["scan", "feedback", identity, "-o", str(tmp_path / "f.html"), "--lang", "en"]) == 0
    assert f"Accepted until {LATER}" in (tmp_path / "f.html").read_text(encoding="utf-8")
