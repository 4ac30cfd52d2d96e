"""The harness of the measurements: its own arithmetic, its verdict, and that it sees memory."""

import json
import os
import subprocess
import sys

import pytest

from bench import __main__ as command
from bench import figures, memory
from bench.figures import Aim, Result
from yunwei.errors import UsageError
from yunwei.lab import topology


def test_a_ratio_is_taken_turn_by_turn():
    assert figures.ratio([11.0, 30.0, 12.0], [10.0, 20.0, 10.0]) == 1.2
    with pytest.raises(ValueError, match="zip"):
        figures.ratio([1.0, 2.0], [1.0])


def test_the_added_share_is_of_the_whole_and_never_negative():
    assert figures.added_share([12.5, 12.5, 12.5], [10.0, 10.0, 10.0]) == 0.2
    assert figures.added_share([9.0], [10.0]) == 0.0


@pytest.mark.parametrize(
    ("found", "below", "met"), [(1.2, False, True), (1.2001, False, False), (1.2, True, False), (1.19, True, True)]
)
def test_at_most_allows_the_limit_and_under_does_not(found, below, met):
    result = Result("backup", {"turns": 3}, {"ratio": found}, [Aim("ratio", 1.2, below)])
    assert (result.missed == []) is met
    document = json.loads(result.line())
    assert document["aims"] == {"ratio": {"aim": f"{'under' if below else 'at most'} 1.2", "met": met}}
    assert (document["part"], document["about"], document["figures"]) == ("backup", {"turns": 3}, {"ratio": found})


def test_the_forecast_is_the_drill_s_own():
    rows = [(300, 16.0), (500, 20.0), (700, 24.0)]
    assert figures.forecast_error(rows, (1500, 50.0)) == (40.0, 0.2)
    with pytest.raises(UsageError, match="not enough sizes"):
        figures.forecast_error(rows[:2], (1500, 50.0))


def test_growth_compares_the_largest_size_with_the_smallest():
    assert figures.growth({1.5: 220, 0.3: 200, 0.7: 900}) == 1.1


@pytest.mark.parametrize(("seconds", "code", "said"), [(0.2, 0, "every aim is met"), (0.4, 1, "MISSED help: help_")])
def test_a_missed_aim_is_said_and_fails(monkeypatch, capsys, seconds, code, said):
    def part(_ground, _wish):
        """Measure nothing."""
        return Result("help", {}, {"help_seconds": seconds}, [Aim("help_seconds", 0.3, below=True)])

    monkeypatch.setattr(command, "PARTS", {"help": part})
    assert command.main(["help"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["figures"] == {"help_seconds": seconds}
    assert said in err


def test_a_part_that_does_not_exist_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["bakcup"])
    assert "there is no part 'bakcup'; allowed: backup, files, sync" in capsys.readouterr().err


def test_without_a_lab_nothing_is_measured_and_the_next_step_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(topology, "_SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(command, "PARTS", {"backup": lambda *_: pytest.fail("it was measured")})
    assert command.main([]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "the lab of slot demo is not up; make it with `yunwei lab up`" in err


def test_memory_of_children_and_theirs_is_seen():
    program = "import sys; held = bytearray(b'x' * (64 << 20)); print('held', flush=True); sys.stdin.read()"
    words = ["sh", "-c", f'"{sys.executable}" -c "{program}"; true']
    before = memory.memory_below(os.getpid())
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"held\n"
        assert memory.memory_below(os.getpid()) - before > 64 << 20
        child.stdin.close()
