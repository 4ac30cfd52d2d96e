"""The walk through a plan with an engine that only pretends: time, load and faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from yunwei_database.faults import PostponedError, SessionError, SqlError
from yunwei_database.upkeep import GRACE_SECONDS, Clock, Deadline, Upkeep, planned

from tests.postgres import MAINTENANCE

LIMITS = {**MAINTENANCE, "longest_pause_seconds": 10, "pause_seconds": 4}
CALM = {"active": 0, "hidden": 0, "lag_bytes": 0}


class Fake(Clock):
    """A clock that only moves when somebody waits or works."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Hands:
    def __init__(self, act: Callable[[dict[str, Any]], Any] = lambda step: None, load: Any = CALM) -> None:
        self.act, self.loads, self.done = act, load, []

    def carry_out(self, step: dict[str, Any], seconds: float) -> dict[str, Any]:
        self.act(step)
        self.done.append((step["target"], seconds))
        return {}

    def load(self) -> dict[str, Any]:
        return self.loads() if callable(self.loads) else self.loads


def step(target: str, do: str = "vacuum") -> dict[str, Any]:
    return {"do": do, "target": target, "kind": "r", "why": "w", "before": {}, "lock": "L", "space": 0}


def walk(hands: Hands, clock: Fake, steps: list[dict[str, Any]], seconds: float = 10_000) -> list[tuple[str, str]]:
    rows = Upkeep(hands, LIMITS, Deadline(clock, seconds + GRACE_SECONDS), clock).run(steps)
    return [(row["status"], row["reason"]) for row in rows]


def test_a_statement_gets_no_more_time_than_is_left():
    clock = Fake()
    hands = Hands(lambda _: clock.sleep(150))
    found = walk(hands, clock, [step("a"), step("b"), step("c")], 350)
    assert hands.done == [("a", 300), ("b", 200)]
    assert [status for status, _ in found] == ["vacuumed", "vacuumed", "postponed"]
    assert "less than 60 seconds of the window are left" in found[2][1]


def test_a_clock_that_is_set_back_does_not_make_the_window_longer(monkeypatch):
    clock, hands = Clock(), Hands()
    deadline = Deadline(clock, 100)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert deadline.left() <= 100 - GRACE_SECONDS
    assert Upkeep(hands, {**LIMITS, "least_seconds": 71}, deadline, clock).run([step("a")])[0]["status"] == "postponed"


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ({"active": 51}, "51 sessions are at work, 50 are allowed"),
        ({"lag_bytes": 1 << 31}, "a standby is 2147483648 bytes behind"),
        ({"lag_bytes": None}, "how far a standby is behind cannot be seen"),
        ({"hidden": 3}, "what 3 sessions do is hidden"),
    ],
)
def test_a_load_beyond_the_limits_is_waited_for_and_then_given_up(load, reason):
    clock, hands = Fake(), Hands(load={**CALM, **load})
    found = walk(hands, clock, [step("a"), step("b")])
    assert [status for status, _ in found] == ["postponed", "postponed"]
    assert reason in found[0][1]
    assert (hands.done, clock.time) == ([], 1012.0), "the second step does not wait once more"


def test_it_goes_on_when_the_load_is_gone():
    clock = Fake()
    hands = Hands(load=lambda: {**CALM, "active": 99 if clock.time < 1008 else 0})
    assert [status for status, _ in walk(hands, clock, [step("a")])] == ["vacuumed"]
    assert clock.time == 1008


def test_a_load_that_cannot_be_seen_is_not_taken_for_calm():
    def blind():
        raise SqlError("42501", "permission denied")

    hands = Hands(load=blind)
    assert walk(hands, Fake(), [step("a")])[0][0] == "postponed"
    assert hands.done == []


def test_a_step_that_gives_way_or_fails_does_not_end_the_walk():
    faults = {"a": PostponedError("gave way"), "b": SqlError("XX002", "damaged")}

    def act(one):
        if one["target"] in faults:
            raise faults[one["target"]]

    found = walk(Hands(act), Fake(), [step("a"), step("b"), step("c")])
    assert [status for status, _ in found] == ["postponed", "failed", "vacuumed"]
    assert "damaged (XX002)" in found[1][1]


def test_without_a_connection_nothing_more_is_tried():
    def act(one):
        raise SessionError("terminating connection")

    hands = Hands(act)
    found = walk(hands, Fake(), [step("a"), step("b"), step("c", "leave")])
    assert [status for status, _ in found] == ["failed", "postponed", "left"]


def test_a_plan_shows_reason_lock_and_room():
    (row,) = planned([{**step("a"), "space": 5}])
    assert row == {"item": "table a", "status": "would vacuum", "reason": "w", "before": {}, "lock": "L", "space": 5}
