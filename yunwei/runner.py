"""Runs playbooks: the only user of ansible-runner.

Ansible's own exit codes (2: a host failed, 4: a host was unreachable) stay here; what a run came to is read from its
ledger record.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yunwei.errors import RunnerError
from yunwei.paths import content_root, state_dir

Progress = Callable[[str, str, str], None]
"""Called with host, task name and status (`started`, `ok`, `changed`, `failed`, `unreachable`, `skipped`)."""

_EVENTS = {
    "runner_on_start": "started",
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_item_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}


@dataclass(frozen=True)
class Launch:
    """What to run: playbook, inventory folder, non-secret variables, limit, check mode."""

    playbook: Path
    inventory: Path
    variables: Mapping[str, Any]
    limit: str | None = None
    check: bool = False


@dataclass(frozen=True)
class Failure:
    """A task that failed: where and, in the module's own words, why."""

    host: str
    task: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """How Ansible ended: its exit code, the run's id, what failed and what it printed."""

    run_id: str
    return_code: int
    failures: tuple[Failure, ...]
    output: str


def new_run_id() -> str:
    """Return an id that sorts by time and is not guessed twice."""
    return f"r-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def run(launch: Launch, progress: Progress, run_id: str, login: Mapping[str, str] | None = None) -> Outcome:
    """Run a playbook to its end and return how Ansible ended.

    No secret passes through here, because ansible-runner writes variables and environment into its artifacts: `login`
    only names the file of a login.

    Raises `RunnerError` where Ansible could not be started.
    """
    import ansible_runner  # noqa: PLC0415 - slow to import

    artifacts = state_dir() / "runs"
    artifacts.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = Path(tempfile.mkdtemp(prefix="yunwei-run-"))
    watcher = _Watcher(progress)
    try:
        result = ansible_runner.run(
            private_data_dir=str(private),
            artifact_dir=str(artifacts),
            ident=run_id,
            playbook=str(launch.playbook),
            inventory=str(inventory_source(launch.inventory)),
            limit=launch.limit,
            extravars=dict(launch.variables),
            cmdline=" ".join(_flags(launch)) or None,
            envvars={**environment(run_id), **(login or {})},
            event_handler=watcher.handle,
            quiet=True,
            suppress_env_files=True,
            rotate_artifacts=200,
        )
    except Exception as error:
        raise RunnerError(f"ansible could not be run: {error}") from error
    finally:
        shutil.rmtree(private, ignore_errors=True)
    return Outcome(run_id, int(result.rc), tuple(watcher.failures), _read(result.stdout))


def environment(run_id: str | None = None) -> dict[str, str]:
    """Return the variables that point Ansible at this project and keep its host-key check on.

    Source of the second: ansible-runner switches the check off by itself unless it is told.
    """
    values = {
        "ANSIBLE_CONFIG": str(content_root() / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    if run_id:
        values["YUNWEI_RUN_ID"] = run_id
    return values


def inventory_source(inventory: Path) -> Path:
    """Return the hosts file of an inventory folder (its policy is not Ansible's to parse)."""
    hosts = inventory / "hosts.yml"
    return hosts if hosts.is_file() else inventory


def _flags(launch: Launch) -> Sequence[str]:
    return ["--check"] if launch.check else []


class _Watcher:
    """Follows a run's events: tells progress, keeps failures."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.failures: list[Failure] = []

    def handle(self, event: dict[str, Any]) -> bool:
        status = _EVENTS.get(event.get("event", ""))
        data = event.get("event_data", {})
        if not status or not data.get("host"):
            return True
        host, task, result = str(data["host"]), str(data.get("task", "")), data.get("res") or {}
        # A loop as a whole only says that a turn of it failed; the turn has said why.
        if status in ("failed", "unreachable") and not data.get("ignore_errors") and "results" not in result:
            self.failures.append(Failure(host, task, str(result.get("msg", ""))))
        self._progress(host, task, "changed" if status == "ok" and result.get("changed") else status)
        return True


def _read(stream: Any) -> str:
    if stream is None:
        return ""
    with stream:
        return str(stream.read())


def raise_on_termination() -> None:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does, so that records are closed and locks given back."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(f"signal {number} for {os.getpid()}")
