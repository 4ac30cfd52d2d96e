"""What people wrote to findings is kept in the next plan; nonsense is refused and nothing is planned."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.scan_reports import Importer, nessus, nessus_host, nessus_item
from yunwei.cli import main
from yunwei.errors import UsageError
from yunwei.paths import content_root
from yunwei.scan.plan_notes import notes_in, with_notes

EXAMPLE = str(content_root() / "inventories" / "example")
ONE, TWO = "f-0123456789abcdef", "f-fedcba9876543210"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "old.yml"
    path.write_text(text, encoding="utf-8")
    return path


def plan_of(*rows: str) -> str:
    return "report: {}\nhosts:\n- person:\n  - findings:\n" + "".join(f"    - {row}\n" for row in rows)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (plan_of(f"{{id: {ONE}, note: ask the vendor}}", f"{{id: {TWO}}}"), {ONE: "ask the vendor"}),
        (plan_of(f"{{id: {ONE}, note: a}}", f"{{id: {ONE}, note: b}}", f"{{id: {ONE}, note: a}}"), {ONE: "a\nb"}),
        (f"report: {{}}\nhosts: []\nnotes_without_finding: [{{id: {TWO}, note: old}}]", {TWO: "old"}),
        (f"report: {{}}\nhosts: []\nnot_in_inventory: [{{findings: [{{id: {ONE}, note: x}}]}}]", {ONE: "x"}),
        ("report: {}\nhosts: &a [*a]", {}),
    ],
)
def test_notes_are_found_beside_their_findings(tmp_path, text, found):
    assert notes_in(written(tmp_path, text)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found nothing"),
        ("- a", "a list"),
        ("a: [", "old.yml"),
        ("a: 1\na: 2", "second time|twice"),
        ("hosts: []", "no report or no hosts"),
        ("report: {}\nhosts: {}", "no report or no hosts"),
        (plan_of("{id: f-1, note: x}"), "beside the id 'f-1'"),
        (plan_of("{note: x}"), "beside the id None"),
        (plan_of(f"{{id: {ONE}, note: [x]}}"), "a note is text"),
        (plan_of(f"{{id: {ONE}, note: 5}}"), "a note is text"),
    ],
)
def test_a_file_of_nonsense_is_refused(tmp_path, text, said):
    with pytest.raises(UsageError, match=said) as caught:
        notes_in(written(tmp_path, text))
    assert "old.yml" in str(caught.value)
    assert "Nothing was planned" in str(caught.value)


def test_notes_stand_beside_each_row_of_their_finding_and_none_is_lost():
    plan = {"hosts": [{"harden": [{"findings": [{"id": ONE}]}, {"findings": [{"id": ONE}]}]}]}
    made = with_notes(plan, {ONE: "why", TWO: "gone\u202e"})
    assert [step["findings"] for step in made["hosts"][0]["harden"]] == [[{"id": ONE, "note": "why"}]] * 2
    assert made["notes_without_finding"] == [{"id": TWO, "note": "gone⟨U+202E⟩"}]
    assert "notes_without_finding" not in with_notes({"hosts": []}, {})


def test_a_note_goes_from_plan_to_plan_also_while_its_finding_is_away(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    importer, ids = Importer(tmp_path), []
    for name, plugin in (("a", 1), ("b", 2)):
        path = importer.write(nessus(nessus_host([nessus_item(plugin)])), name)
        known = {one.stem for one in (tmp_path / "state").rglob("s-*.sqlite")}
        assert main(["scan", "import", str(path), "-i", EXAMPLE]) == 0
        ids += [one.stem for one in (tmp_path / "state").rglob("s-*.sqlite") if one.stem not in known]
    files = [tmp_path / f"plan{number}.yml" for number in range(3)]

    def planned(report: str, into: Path, *more: str) -> int:
        return main(["scan", "plan", report, "-i", EXAMPLE, "-o", str(into), *more])

    assert planned(ids[0], files[0]) == 0
    text = files[0].read_text(encoding="utf-8")
    finding = yaml.safe_load(text)["hosts"][0]["person"][0]["findings"][0]["id"]
    files[0].write_text(text.replace(f"id: {finding}", f"id: {finding}\n      note: ask them"), encoding="utf-8")
    assert planned(ids[1], files[1], "--notes", str(files[0])) == 0
    assert yaml.safe_load(files[1].read_text())["notes_without_finding"] == [{"id": finding, "note": "ask them"}]
    assert planned(ids[0], files[2], "--notes", str(files[1])) == 0
    (row,) = yaml.safe_load(files[2].read_text())["hosts"][0]["person"][0]["findings"]
    assert (row["id"], row["note"]) == (finding, "ask them")
    assert planned(ids[0], tmp_path / "none.yml", "--notes", str(tmp_path / "not-there.yml")) == 2
    assert "Nothing was planned" in capsys.readouterr().err
    assert not (tmp_path / "none.yml").exists()
