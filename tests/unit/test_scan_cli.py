"""`yunwei scan` as a user types it: exit codes and the shape of its document."""

import json

import pytest

from tests.scan_reports import Importer, nessus, nessus_host, nessus_item
from yunwei.cli import main
from yunwei.paths import content_root

EXAMPLE = str(content_root() / "inventories" / "example")
KEYS = {"file", "sha256", "scanner", "format", "started", "finished", "hosts", "findings", "cves", "declared",
        "unmatched_hosts", "warnings"}  # fmt: skip


@pytest.fixture
def report(tmp_path, monkeypatch):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    return Importer(tmp_path).write(nessus(), "a.nessus")


def _json(capsys, *words):
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_import_prints_one_document_of_one_shape(report, capsys):
    code, document = _json(capsys, "scan", "import", str(report), "-i", EXAMPLE)
    assert code == 0
    assert document["refused"] == []
    (one,) = document["reports"]
    assert set(one) == KEYS
    assert one["findings"] == {"critical": 0, "high": 0, "medium": 1, "low": 0, "info": 0, "unknown": 0}
    assert (one["file"], one["hosts"], one["cves"], one["declared"]) == (str(report), 1, 0, None)
    assert len(one["sha256"]) == 64


def test_a_refused_report_leaves_the_others_and_fails(report, capsys, tmp_path):
    (tmp_path / "bad.nessus").write_text(nessus()[:-60])
    words = ["scan", "import", str(tmp_path / "bad.nessus"), str(report), "-i", EXAMPLE]
    code, document = _json(capsys, *words)
    assert code == 1
    assert [one["file"] for one in document["reports"]] == [str(report)]
    (refused,) = document["refused"]
    assert "bad.nessus, line " in refused["reason"]
    assert len(list((tmp_path / "state" / "scans").glob("*.sqlite"))) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "not-there.nessus", "-i", EXAMPLE], "Nothing was imported"),
        (["import", "REPORT", "-i", EXAMPLE, "--host", "fl-ap1"], "fl-app1"),
        (["show", "s-000000000000"], "no report"),
        (["show", "../../etc"], "no report"),
        (["diff", "s-0", "s-1"], "no report"),
    ],
)
def test_wrong_words_are_usage_errors(report, capsys, words, said):
    assert main(["scan", *(str(report) if word == "REPORT" else word for word in words)]) == 2
    assert said in capsys.readouterr().err


def test_list_and_show_read_what_was_imported(report, capsys):
    assert main(["scan", "import", str(report), "-i", EXAMPLE]) == 0
    capsys.readouterr()
    code, (listed,) = _json(capsys, "scan", "list")
    assert (code, listed["format"]) == (0, "nessus-xml")
    code, shown = _json(capsys, "scan", "show", listed["id"][:6])
    assert (code, [row["rule"] for row in shown["rows"]]) == (0, ["10001"])
    assert shown["scanned"][0]["name"] == "fl-app1"
    assert main(["scan", "show", listed["id"]]) == 0
    assert "fl-app1" in capsys.readouterr().out


def test_list_is_empty_before_the_first_import(report, capsys):
    assert main(["scan", "list"]) == 0
    assert "no report is stored" in capsys.readouterr().out
    assert not (report.parent / "state").exists()


def test_diff_says_what_became_of_each(report, capsys, tmp_path):
    (tmp_path / "b.nessus").write_text(nessus(nessus_host([nessus_item(2)])))
    for path in (report, tmp_path / "b.nessus"):
        assert main(["scan", "import", str(path), "-i", EXAMPLE]) == 0
    capsys.readouterr()
    _, listed = _json(capsys, "scan", "list")
    by_file = {one["file"]: one["id"] for one in listed}
    code, document = _json(capsys, "scan", "diff", by_file[str(report)], by_file[str(tmp_path / "b.nessus")])
    assert code == 0
    assert {one["rule"]: one["verdict"] for one in document["findings"]} == {"10001": "gone", "2": "new"}


def test_a_damaged_store_is_said_and_not_read(report, capsys, tmp_path):
    assert main(["scan", "import", str(report), "-i", EXAMPLE]) == 0
    (stored,) = (tmp_path / "state" / "scans").glob("*.sqlite")
    stored.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    assert main(["scan", "list"]) == 1
    assert "import it once more" in capsys.readouterr().err
    assert main(["scan", "import", str(report), "-i", EXAMPLE]) == 0
    assert main(["scan", "list"]) == 0
