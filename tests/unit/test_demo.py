"""What the demo leaves and says is of this demo, never of a former one."""

import pytest

from yunwei.errors import LabError
from yunwei.lab import demo


@pytest.fixture
def former(tmp_path, monkeypatch):
    """A folder with the report of a demo that passed, and no lab."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo.lab, "up", lambda *_: None)
    monkeypatch.setattr(demo.load, "start", lambda _slot: None)
    monkeypatch.setattr(demo.load, "stop", lambda _slot: None)
    demo.OUTPUT.mkdir(parents=True)
    demo.DATA.write_text('{"verdict": "passed"}')
    demo.REPORT.write_text("passed")


def _no_lab(*_):
    raise LabError("there is no podman")


@pytest.mark.parametrize("fails_at", ["lab", "run", "drill"])
def test_a_demo_that_ends_early_names_no_report_and_leaves_none(former, fails_at, monkeypatch, capsys):
    monkeypatch.setattr(demo, "main", lambda words: 3 if words[0] == fails_at else 0)
    if fails_at == "lab":
        monkeypatch.setattr(demo.lab, "up", _no_lab)
    assert demo.run([]) != 0
    said = capsys.readouterr().err
    assert "the demo did not pass" in said
    assert "report:" not in said
    assert list(demo.OUTPUT.iterdir()) == []


def test_a_drill_that_failed_names_its_own_report(former, monkeypatch, capsys):
    def main(words):
        if words[0] != "drill":
            return 0
        assert words[words.index("--output") + 1] == str(demo.OUTPUT)
        demo.REPORT.write_text("failed")
        return 1

    monkeypatch.setattr(demo, "main", main)
    assert demo.run([]) == 1
    assert f"report: {demo.REPORT.resolve()}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("user", "said"), [(None, " .venv/bin/yunwei lab down"), ("ops", " sudo .venv/bin/yunwei lab")]
)
def test_its_last_words_work_for_whoever_called_it(former, monkeypatch, capsys, user, said):
    monkeypatch.setattr(demo, "main", lambda _words: 0)
    monkeypatch.delenv("SUDO_USER", raising=False)
    if user:
        monkeypatch.setenv("SUDO_USER", user)
    assert demo.run([]) == 0
    assert f"remove it with:{said}" in capsys.readouterr().err
