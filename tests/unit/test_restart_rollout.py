"""How far a rollout is: told by what its tasks said, in any order that somebody may have made them go."""

from __future__ import annotations

from typing import Any

import pytest

from yunwei.errors import CouldNotJudgeError, RefusedError, YunweiError
from yunwei.recorder import Answer
from yunwei.restart.rollout import Rollout

BATCHES = [
    {"number": 1, "hosts": ["a", "b"], "proving": ["a", "b", "probe"]},
    {"number": 2, "hosts": ["c"], "proving": ["c"]},
]
BACK = {"verdict": "passed", "items": [{"item": "restart", "status": "passed"}]}
THERE: dict[str, Any] = {"verdict": "passed", "items": []}
A, B, C, PROBE = (Answer("restart_proof", host, "changed", BACK) for host in ("a", "b", "c", "probe"))
FIRST, SECOND = (Answer("restart_rollout", "a", "ok", {"batch": number}) for number in (1, 2))
ONE = [FIRST, A, B, PROBE]


def said(host: str, pending: str | None = None) -> Answer:
    return Answer("restart_facts", host, "ok", {"needs": [], "pending": pending})


def planned(**changes: Any) -> Answer:
    plan = {"batches": BATCHES, "left": {}, "unjudged": {}, "drained": [], **changes}
    return Answer("restart_rollout", "a", "ok", plan)


def rollout(*answers: Answer, **changes: Any) -> Rollout:
    return Rollout([said("a"), said("b"), said("c"), planned(**changes), *answers])


def test_batches_are_opened_one_after_the_other_each_when_the_one_before_is_proven():
    assert rollout().next_batch()["number"] == 1
    assert rollout(*ONE).next_batch()["number"] == 2
    with pytest.raises(RefusedError, match="no further batch"):
        rollout(*ONE, SECOND, C).next_batch()
    rollout(*ONE, SECOND, C).end()


@pytest.mark.parametrize(
    ("answers", "missing"),
    [
        ([FIRST], "a, b, probe"),
        ([FIRST, A, PROBE], "b"),
        ([FIRST, A, B], "probe"),
        ([A, B, PROBE, FIRST], "a, b, probe"),
        ([FIRST, A, PROBE, Answer("restart_proof", "b", "ok", THERE)], "b"),
        ([FIRST, A, PROBE, Answer("restart_proof", "b", "failed", BACK)], "b"),
        ([FIRST, A, PROBE, Answer("restart_proof", "b", "changed", {**BACK, "verdict": "failed"})], "b"),
        ([FIRST, A, PROBE, Answer("other", "b", "changed", BACK)], "b"),
    ],
)
def test_what_is_not_proven_lets_nothing_else_go_down(answers: list[Answer], missing: str):
    for step in (Rollout.next_batch, Rollout.end):
        with pytest.raises(RefusedError, match=rf"batch 1 is not proven \({missing}\)"):
            step(rollout(*answers))


def test_what_an_earlier_run_restarted_is_proven_first():
    early = [said("a", "restarted"), said("b", "not yet"), planned()]
    with pytest.raises(RefusedError, match="the restart of a by an earlier run is not proven"):
        Rollout(early).next_batch()
    assert Rollout([*early, A]).next_batch()["number"] == 1


def test_only_hosts_of_the_open_batch_may_go_down():
    for made, host in ((rollout(), "a"), (rollout(FIRST), "c"), (rollout(*ONE, SECOND), "a")):
        with pytest.raises(RefusedError, match=f"it is not {host}'s turn"):
            made.require_turn(host)
    rollout(FIRST).require_turn("a")
    rollout(*ONE, SECOND).require_turn("c")
    with pytest.raises(RefusedError, match="this run has no plan"):
        Rollout([said("a"), Answer("restart_facts", "a", "ok", {"batches": BATCHES, "pending": None})]).next_batch()


def test_only_a_host_that_the_plan_leaves_drained_is_undrained_without_a_restart():
    rollout(drained=["a"]).require_drained("a")
    with pytest.raises(RefusedError, match="does not leave b drained"):
        rollout(drained=["a"]).require_drained("b")


@pytest.mark.parametrize(
    ("changes", "answers", "error", "words"),
    [
        (
            {"left": {"x": "mount:/data: by hand"}},
            [*ONE, SECOND, C],
            RefusedError,
            "x needs a restart and was left: mo",
        ),
        ({"unjudged": {"w": "a Windows host"}}, [*ONE, SECOND, C], CouldNotJudgeError, "w: a Windows host"),
        ({"left": {"x": "y"}, "unjudged": {"w": "z"}}, [*ONE, SECOND, C], RefusedError, "x needs"),
        ({}, ONE, RefusedError, r"batch 2 of the plan \(c\) was not carried out"),
    ],
)
def test_the_end_is_good_only_where_every_host_that_needed_it_got_one(
    changes: dict[str, Any], answers: list[Answer], error: type[YunweiError], words: str
):
    with pytest.raises(error, match=words):
        rollout(*answers, **changes).end()
