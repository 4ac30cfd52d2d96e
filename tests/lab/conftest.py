"""The lab of slot `check`: made once by ./check, shared by every test that needs hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from yunwei import ledger, plans

BIN = Path(sys.executable).parent
UP = "until systemctl is-system-running | grep -qE 'running|degraded'; do sleep 0.2; done"


@dataclass(frozen=True)
class Lab:
    """The lab's hosts and the commands that a user would type."""

    slot: str
    inventory: Path

    def podman(
        self, host: str, *command: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root inside a host, past SSH: the way damage is made and looked at."""
        return subprocess.run(
            ["podman", "exec", "-i", f"yunwei-{self.slot}-{host}", *command],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            input=stdin or "",
            check=check,
        )

    def engine(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run podman itself on this lab's containers, such as `stop app1`."""
        *action, host = words
        return subprocess.run(
            ["podman", *action, f"yunwei-{self.slot}-{host}"], capture_output=True, text=True, check=True
        )

    def start(self, *hosts: str) -> None:
        """Start hosts that were stopped or killed, and wait until their services are there."""
        for host in hosts:
            self.engine("start", host)
        for host in hosts:
            self.podman(host, "sh", "-c", UP)

    def run(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `yunwei` against this lab's inventory."""
        return subprocess.run(
            [str(BIN / "yunwei"), *words],
            capture_output=True,
            text=True,
            env={**os.environ, "YUNWEI_INVENTORY": str(self.inventory), **(env or {})},
            check=False,
        )

    def json(self, *words: str, expect: int = 0) -> Any:
        """Run `yunwei … --json`, require its exit code and return the one document."""
        done = self.run(*words, "--json")
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return json.loads(done.stdout)

    def plain(self, job: str, systems: Sequence[str] = (), **variables: Any) -> dict[str, Any]:
        """Run a job without the wrapper and so without its proofs; return its record as `--json` shows it."""
        wanted = {"systems": list(systems), **variables}
        words = json.dumps({f"yunwei_{name}": value for name, value in wanted.items()})
        done = self.playbook(job.replace("-", "_"), "-e", words)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        kept = ledger.Ledger.open()
        record = kept.show(kept.list()[-1]["id"])
        assert (record["job"], record["status"]) == (job, "done")
        results = [task for task in record["tasks"] if task.get("yunwei")]
        return {**record, "items": plans.item_rows(results), "results": results}

    def playbook(self, name: str, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a playbook the plain way, without the wrapper."""
        root = Path(__file__).resolve().parents[2]
        return subprocess.run(
            [str(BIN / "ansible-playbook"), "-i", str(self.inventory / "hosts.yml"), f"playbooks/{name}.yml", *words],
            cwd=root,
            stdin=subprocess.DEVNULL,  # of its own: ssh of another test may have made the shared one non-blocking
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            check=False,
        )


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Return the running lab; a missing one is an error, not a skip."""
    slot = os.environ.get("YUNWEI_LAB_SLOT", "check")
    inventory = Path(os.environ.get("YUNWEI_INVENTORY", f"/dev/shm/yunwei-lab-{slot}/inventory"))
    if not (inventory / "hosts.yml").is_file():
        pytest.fail(f"the lab of slot {slot} is not up: YUNWEI_LAB_SLOT={slot} yunwei lab up")
    return Lab(slot, inventory)


@pytest.fixture(scope="module")
def open_calendar(lab: Lab) -> Iterator[None]:
    """Let disruptive work begin at any time while a module's tests run."""
    file = lab.inventory / "policy/calendar/calendar.yml"
    kept = file.read_text(encoding="utf-8")
    file.write_text(
        (Path(__file__).parents[1] / "fixtures/always_open.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    yield
    file.write_text(kept, encoding="utf-8")
