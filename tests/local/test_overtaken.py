"""Two controllers and one host: who slept through its lease is refused on the host. Real processes, a real OpenBao."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inventories import InventoryCopy
from tests.openbao import RealVault
from yunwei import gate, locks, session
from yunwei.errors import LockBusyError
from yunwei.paths import content_root

ROOT = content_root()
SLEEPER = locks.Starter("r-sleeper", "back-up", "userpass:engineer")


class Controller:
    """A controller with a state folder of its own, in a process of its own."""

    def __init__(self, inventory: Path, host: Path, run_id: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "fixtures" / "controller.py"), str(inventory), str(host), run_id],
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{ROOT / 'module_utils'}",
                "YUNWEI_STATE": str(host / f"state-{run_id}"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def permit(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def suspend(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(self.process.pid, os.WUNTRACED)[1])

    def act(self) -> str:
        """Let it act and end; return what it said. A suspended one is resumed."""
        os.kill(self.process.pid, signal.SIGCONT)
        said, _ = self.process.communicate("go\n", timeout=60)
        assert self.process.returncode == 0
        return said


@pytest.fixture
def start(inventory: InventoryCopy, tmp_path: Path) -> Iterator[Callable[[str], Controller]]:
    """Yield what starts a controller; all of them act on one host, the folder `host`."""
    host = tmp_path / "host"
    host.mkdir()
    started: list[Controller] = []

    def begin(run_id: str) -> Controller:
        started.append(Controller(inventory.folder, host, run_id))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.communicate()


def _acted(folder: Path) -> list[str]:
    return (folder / "host" / "acted").read_text(encoding="ascii").split()


def _let_the_lease_end(bao: RealVault) -> None:
    """End the sleeper's lease, which policy gives two hours: as the sleeper, make it a second, and see it over."""
    client = bao.client()
    locks.acquire(client, "mediation", SLEEPER, 1)
    deadline = time.monotonic() + 60
    while locks.holder(client, "mediation"):
        assert time.monotonic() < deadline, "the lease does not end"
        time.sleep(0.1)


def test_a_suspended_controller_that_was_overtaken_is_refused_on_the_host(bao, inventory, start, tmp_path):
    sleeper = start("r-sleeper")
    asleep = sleeper.permit()
    sleeper.suspend()

    second = session.open_session(session.Intent("r-second", "back-up", "back_up.yml", (inventory.folder,), False))
    try:
        with pytest.raises(LockBusyError, match=r"job back-up, run r-sleeper, started by userpass:engineer") as caught:
            gate.open_gate(gate.Request("back-up", ["mediation"]), second)
    finally:
        second.close()
    assert caught.value.exit_code == 3

    _let_the_lease_end(bao)
    heir = start("r-heir")
    awake = heir.permit()
    assert awake["lock_series"] == asleep["lock_series"]
    assert awake["locks"]["mediation"] > asleep["locks"]["mediation"]
    assert heir.act() == "acted\n"

    said = sleeper.act()
    assert said.startswith("overtaken: REFUSED: run r-sleeper")
    assert f"lock number {asleep['locks']['mediation']} of system mediation" in said
    assert "run r-heir" in said
    assert f"with number {awake['locks']['mediation']}" in said
    assert _acted(tmp_path) == ["r-heir"]


def test_a_lock_that_was_made_anew_locks_nobody_out(bao, start, tmp_path):
    for run_id in ("r-first", "r-second"):
        before = start(run_id)
        before.permit()
        assert before.act() == "acted\n"
    sleeper = start("r-sleeper")
    asleep = sleeper.permit()
    sleeper.suspend()

    bao.root.secrets.kv.v2.delete_metadata_and_all_versions("locks/mediation", mount_point="yunwei")
    heir = start("r-heir")
    awake = heir.permit()
    assert awake["locks"]["mediation"] < asleep["locks"]["mediation"]
    assert awake["lock_series"] != asleep["lock_series"]
    assert heir.act() == "acted\n"
    assert "made anew" in sleeper.act()
    assert _acted(tmp_path) == ["r-first", "r-second", "r-heir"]
