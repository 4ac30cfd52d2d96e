"""Runs the source program as its forced command does, with a configuration of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yunwei_host import frames

import yunwei.source

PROGRAM = Path(yunwei.source.__path__[0]) / "yunwei_source.py"
# The configuration's place is fixed in the program: no argument can move it. Only a test reaches inside.
BOOT = """
import sys
sys.path.insert(0, {folder!r})
import yunwei_source
yunwei_source.CONFIG = {config!r}
code = yunwei_source.main(["--system", {system!r}])
yunwei_source.os._exit(code)
"""
# Every file is older than the two seconds in which a change could hide.
_LATER = """
import time
now = time.time
time.time = lambda: now() + 3
"""


@dataclass
class Heard:
    """What one run answered: the payload, the manifest's lines, the trailer or the refusal, the exit code."""

    payload: bytes = b""
    lines: list[dict[str, Any]] = field(default_factory=list)
    head: dict[str, Any] = field(default_factory=dict)
    trailer: dict[str, Any] = field(default_factory=dict)
    failure: frames.SourceFailedError | None = None
    code: int = -1

    def files(self) -> dict[str, dict[str, Any]]:
        """Return the file lines by path."""
        return {line["p"]: line for line in self.lines if line["t"] == "file"}


def start(
    config: Path, command: str, system: str = "mediation", baseline: bytes = b"", later: bool = False
) -> subprocess.Popen[bytes]:
    """Start the program with `command` as SSH's original command and `baseline` on its standard input.

    `later` moves its clock on, so that no file counts as just changed.
    """
    boot = (_LATER if later else "") + BOOT.format(folder=str(PROGRAM.parent), config=str(config), system=system)
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", boot],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "SSH_ORIGINAL_COMMAND": command},
    )
    assert process.stdin
    process.stdin.write(baseline)
    process.stdin.close()
    return process


def hear(process: subprocess.Popen[bytes]) -> Heard:
    """Read the whole answer strictly, the way the backup server does."""
    heard, payload = Heard(), []
    assert process.stdout
    try:
        for kind, content in frames.read_frames(process.stdout.fileno(), frames.Limits(idle_seconds=60)):
            if kind == "D":
                payload.append(content)
            elif kind == "M":
                heard.lines += frames.parse_lines(content)
            elif kind == "H":
                heard.head = content
            else:
                heard.trailer = content
    except frames.SourceFailedError as error:
        heard.failure = error
    process.stdout.close()
    heard.payload, heard.code = b"".join(payload), process.wait(30)
    return heard


def run(config: Path, command: str, system: str = "mediation", baseline: bytes = b"", later: bool = False) -> Heard:
    """Run one command to its end."""
    return hear(start(config, command, system, baseline, later))


def write_config(path: Path, **system: Any) -> Path:
    """Write a configuration with the one system `mediation`."""
    path.write_text(json.dumps({"systems": {"mediation": {"databases": {}, "file_sets": {}, **system}}}))
    path.chmod(0o644)
    return path
