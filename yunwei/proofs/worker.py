"""Runs proofs in a process of its own that was forked from one where pytest and testinfra are already read in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """One pytest run: its arguments, environment, folder (empty, its own), and Ansible's view of the inventory.

    `inventory` is the name that the arguments use for it, `hosts` what `ansible-inventory --list` says, as JSON.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    inventory: Path
    hosts: str


@dataclass(frozen=True)
class Result:
    """What a pytest run came to: one entry a proof (`test`, `verdict`, `reason`), and all that it printed."""

    entries: Sequence[Mapping[str, str]]
    output: str


def run(task: Task, send: Connection) -> None:
    """Run pytest here and send its `Result`. The process is spent then: environment, folder, output are the task's."""
    import pytest  # noqa: PLC0415 - in memory already: the process was forked from one that has read it in
    from testinfra.utils.ansible_runner import AnsibleRunner  # noqa: PLC0415 - likewise

    from yunwei.proofs.plugin import Outcomes  # noqa: PLC0415 - likewise

    os.environ.clear()
    os.environ.update(task.environment)
    os.chdir(task.folder)
    sys.dont_write_bytecode = True
    output = task.folder / "output.txt"
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Each pytest run would ask ansible-inventory anew.
    AnsibleRunner.get_runner(str(task.inventory)).inventory = json.loads(task.hosts)
    outcomes = Outcomes()
    pytest.main(list(task.arguments), plugins=[outcomes])
    sys.stdout.flush()
    send.send(Result(list(outcomes.entries.values()), output.read_text(encoding="utf-8", errors="replace")))
