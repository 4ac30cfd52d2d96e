"""After the result of every task of every job the controller is killed, or the drill host loses power; then again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab.commands import RESCUED, WORDS, ends_well, words_of
from tests.lab.conftest import Lab
from tests.lab.killing import kill, once_free, tasks_of, when_told

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.usefixtures("open_calendar")]

HEADS = Path("/dev/shm/yunwei-kill-heads")
TIMED = "/usr/local/bin/yunwei"


@pytest.fixture(scope="module", autouse=True)
def ground(lab: Lab):
    lab.podman("backup1", "install", "-m", "0755", "/bin/true", TIMED)  # what the timers start
    for words in (("run", "back-up", "--now"), ("run", "sync-to-miyun")):
        done = lab.run(*words)
        assert done.returncode == 0, done.stderr[-3000:]
    yield
    lab.podman("backup1", "rm", "-f", TIMED)


@pytest.fixture
def nothing_yet(lab: Lab):
    """Nothing of an earlier run is where a job puts what it brings."""

    def clear() -> None:
        HEADS.unlink(missing_ok=True)
        shutil.rmtree(words_of("fetch-logs", HEADS)[-1], ignore_errors=True)
        lab.podman("legacy1", "rm", "-rf", RESCUED)

    clear()
    yield clear
    clear()


@pytest.mark.parametrize("job", WORDS)
def test_killed_after_each_task(lab, nothing_yet, job):
    words = words_of(job, HEADS)
    tasks = tasks_of(lab, words)
    assert tasks
    for task in tasks:
        nothing_yet()
        when_told(lab, words, task, kill)
        done = once_free(lab, words)
        assert ends_well(job, done.returncode), (task, done.returncode, done.stdout[-2000:], done.stderr[-3000:])


def test_power_lost_at_the_drill_host_after_each_task(lab):
    words = WORDS["drill-restore"]
    tasks = tasks_of(lab, words)
    for task in tasks:
        code = when_told(lab, words, task, lambda _command: lab.engine("kill", "scratch1"))
        lab.engine("start", "scratch1")
        assert code != 0 or task == tasks[-1], f"the drill passed without its host, which lost power after {task}"
        done = once_free(lab, words)
        assert done.returncode == 0, (task, done.returncode, done.stdout[-2000:], done.stderr[-3000:])
        assert lab.podman("scratch1", "ls", "/srv/restore").stdout == ""
