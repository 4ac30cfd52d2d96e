"""Campaigns: the same again and again, because what fails one time in twenty fails in the night that matters."""

from __future__ import annotations

import pytest

from yunwei.lab import load

pytestmark = [pytest.mark.lab, pytest.mark.long]

SYSTEM = "mediation"


@pytest.fixture(scope="module")
def writers(lab):
    load.start(lab.slot)
    yield
    load.stop(lab.slot)


@pytest.mark.usefixtures("writers")
@pytest.mark.parametrize("number", range(1, 21))
def test_a_backup_taken_under_writing_load_drills_green(lab, number):
    lab.json("run", "back-up", "--now", "--system", SYSTEM)
    lab.json("run", "sync-to-miyun", "--system", SYSTEM)
    drill = lab.json("drill", "--system", SYSTEM)
    assert drill["verdict"] == "passed", (number, drill["reasons"])
