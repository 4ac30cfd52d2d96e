"""In which order hosts go down: tier after tier of each system, never two of one tier at once, a canary first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yunwei.errors import UsageError


@dataclass(frozen=True)
class Candidate:
    """A host that is to be restarted: its tier in each of its systems, 0 first; a standby goes before its primary."""

    host: str
    tiers: Mapping[str, int]
    standby: bool = False


def make_batches(candidates: Sequence[Candidate], at_once: int, canary: str | None = None) -> list[list[str]]:
    """Return the hosts of each batch, in order.

    Args:
        candidates: every host that is to be restarted, each once.
        at_once: most hosts in a batch.
        canary: goes first where it is among those whose turn it is; else the first of these does. It goes alone.

    Raises:
        UsageError: the tiers of two systems that share hosts contradict each other.
    """
    waiting = sorted(candidates, key=lambda one: (min(one.tiers.values()), one.host))
    batches: list[list[str]] = []
    while waiting:
        ready = [one for one in waiting if _its_turn(one, waiting)]
        if not ready:
            raise UsageError(_contradiction(waiting))
        chosen = _canary(ready, canary) if not batches else _together(ready, at_once)
        batches.append([one.host for one in chosen])
        waiting = [one for one in waiting if one not in chosen]
    return batches


def _its_turn(one: Candidate, waiting: Sequence[Candidate]) -> bool:
    """Tell whether nobody that must go down before it still waits."""
    return not any(_goes_before(other, one) for other in waiting if other is not one)


def _goes_before(first: Candidate, second: Candidate) -> bool:
    shared = first.tiers.keys() & second.tiers.keys()
    before = any(first.tiers[system] < second.tiers[system] for system in shared)
    same = any(first.tiers[system] == second.tiers[system] for system in shared)
    return before or (same and first.standby and not second.standby)


def _canary(ready: Sequence[Candidate], canary: str | None) -> list[Candidate]:
    return [next((one for one in ready if one.host == canary), ready[0])]


def _together(ready: Sequence[Candidate], at_once: int) -> list[Candidate]:
    chosen: list[Candidate] = []
    taken: set[tuple[str, int]] = set()
    for one in ready:
        places = set(one.tiers.items())
        if len(chosen) < at_once and not places & taken:
            chosen.append(one)
            taken |= places
    return chosen


def _contradiction(waiting: Sequence[Candidate]) -> str:
    hosts = ", ".join(one.host for one in waiting)
    systems = ", ".join(sorted({system for one in waiting for system in one.tiers}))
    return (
        f"no order of {hosts} obeys the tiers of all systems that they serve ({systems}); "
        f"correct `restart.tiers` of one of them, or leave hosts out with --limit"
    )
