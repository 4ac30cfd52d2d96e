"""The wrapper itself: what it takes before it does anything, and what it adds to its playbook."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence

from bench.figures import Aim, Result, median, ratio
from bench.ground import BIN, Ground, Wish
from yunwei import runner
from yunwei.errors import LabError
from yunwei.paths import content_root


def start_up(ground: Ground, wish: Wish) -> Result:
    """What the wrapper takes before it does anything."""
    seconds = [_seconds([str(BIN / "yunwei"), "--help"], ground.environment()) for _ in range(3 * wish.turns)]
    figures = {"help_seconds": median(seconds)}
    return Result("help", {"turns": 3 * wish.turns}, figures, [Aim("help_seconds", 0.3, below=True)])


def plan(ground: Ground, wish: Wish) -> Result:
    """`yunwei plan back-up` against the same playbook in check mode without the wrapper."""
    environment = {**ground.environment(), **runner.environment()}
    hosts, playbook = runner.inventory_source(ground.inventory), content_root() / "playbooks" / "back_up.yml"
    plain_words = [str(BIN / "ansible-playbook"), "--check", "-i", str(hosts), str(playbook)]
    planned, plain = [], []
    for _ in range(wish.turns):
        plain.append(_seconds(plain_words, environment))
        planned.append(_seconds([str(BIN / "yunwei"), "plan", "back-up"], ground.environment()))
    figures = {"plain_seconds": median(plain), "plan_seconds": median(planned), "ratio": ratio(planned, plain)}
    return Result("plan", {"turns": wish.turns}, figures, [Aim("ratio", 1.5, below=True)])


def _seconds(words: Sequence[str], environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    done = subprocess.run(words, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-1000:] or done.stdout[-1000:]}")
    return time.monotonic() - began
