"""The main job on the embedded lab: back up under load, copy to the second site, restore from there, prove, report."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from yunwei import lab
from yunwei.cli import main
from yunwei.cli.show import say
from yunwei.errors import YunweiError
from yunwei.lab import load

SLOT = "demo"
SYSTEM = "mediation"
OUTPUT = Path("build") / "demo"
DATA, REPORT = OUTPUT / "drill.json", OUTPUT / "drill.html"


def run(arguments: Sequence[str]) -> int:
    """Run the demo and return the drill's exit code; the lab is left running."""
    if arguments:
        say("usage: ./demo  (no arguments; `.venv/bin/yunwei --help` for everything else)")
        return 2
    started = time.monotonic()
    for former in (DATA, REPORT):
        former.unlink(missing_ok=True)
    try:
        lab.up(SLOT, say)
        exit_code = _main_job()
    except (YunweiError, subprocess.CalledProcessError) as error:
        say(f"demo: {error}")
        exit_code = 1
    _say_end(exit_code, time.monotonic() - started)
    return exit_code


def _main_job() -> int:
    load.start(SLOT)
    try:
        for words in (["run", "back-up", "--now"], ["run", "sync-to-miyun"]):
            say(f"$ yunwei {' '.join(words)}")
            exit_code = main(words)
            if exit_code:
                return exit_code
    finally:
        load.stop(SLOT)
    words = ["drill", "--system", SYSTEM, "--site", "miyun", "--output", str(OUTPUT), "--participant", "lab=engineer"]
    say(f"$ yunwei {' '.join(words)}")
    return main(words)


def _say_end(exit_code: int, seconds: float) -> None:
    say("")
    say(f"{'the demo passed' if exit_code == 0 else f'the demo did not pass (exit {exit_code})'} in {seconds:.0f} s")
    if REPORT.is_file():
        say(f"report: {REPORT.resolve()}")
    sudo = "sudo " if "SUDO_USER" in os.environ else ""  # lab, secrets and ledger are root's
    say(f"the lab is still running; remove it with: {sudo}.venv/bin/yunwei lab down")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
