"""How far a rollout is, by what its own tasks said: no variable of a play tells what was found, planned or proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yunwei.errors import CouldNotJudgeError, RefusedError
from yunwei.recorder import Answer

_GOOD = ("ok", "changed")
_AGAIN = "Put it right and give the same command again: it goes on where this run stopped"


class Rollout:
    """The steps of one run, read from its recorder's answers."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        """Keep the answers in which a task went well, in order."""
        self._answers = [one for one in answers if one.status in _GOOD]

    @property
    def said(self) -> dict[str, Mapping[str, Any]]:
        """Return what each host said of needs and findings."""
        return {one.host: one.summary for one in self._answers if one.action == "restart_facts"}

    def next_batch(self) -> Mapping[str, Any]:
        """Return the batch whose turn it is.

        Raises `RefusedError` where a restart, of this run or of an earlier one, is not proven yet.
        """
        self._demand_earlier_proven()
        opened, batches = self._opened(), self._plan()["batches"]
        if opened:
            self._demand_proven(batches[opened - 1])
        if opened == len(batches):
            raise RefusedError("the plan of this run has no further batch: start restart-servers anew")
        found: Mapping[str, Any] = batches[opened]
        return found

    def require_turn(self, host: str) -> None:
        """Raise `RefusedError` unless the host is of the batch that was opened last."""
        opened = self._opened()
        batch = self._plan()["batches"][opened - 1] if opened else {"hosts": []}
        if host not in batch["hosts"]:
            raise RefusedError(f"it is not {host}'s turn to be restarted: the plan of this run has it in another batch")

    def require_drained(self, host: str) -> None:
        """Raise `RefusedError` unless the plan leaves the host, which an earlier run has drained."""
        if host not in self._plan()["drained"]:
            raise RefusedError(f"the plan of this run does not leave {host} drained: its drain is not taken back")

    def end(self) -> None:
        """Return where every host that needed a restart got one.

        Raises:
            RefusedError: a host needs one and was left, or a batch was not carried out.
            CouldNotJudgeError: nobody could ask a host whether it needs one.
        """
        plan, opened = self._plan(), self._opened()
        self._demand_earlier_proven()
        for batch in plan["batches"][:opened]:
            self._demand_proven(batch)
        if opened < len(plan["batches"]):
            hosts = ", ".join(plan["batches"][opened]["hosts"])
            raise RefusedError(f"batch {opened + 1} of the plan ({hosts}) was not carried out. {_AGAIN}")
        if plan["left"]:
            lines = [f"{host} needs a restart and was left: {why}" for host, why in sorted(plan["left"].items())]
            hint = "Put it right, or waive a finding by its name in policy (restart.waivers), and start again."
            raise RefusedError("\n".join([*lines, hint]))
        if plan["unjudged"]:
            lines = [f"{host}: {why}" for host, why in sorted(plan["unjudged"].items())]
            raise CouldNotJudgeError("\n".join([*lines, "All others that needed a restart got one."]))

    def _plan(self) -> Mapping[str, Any]:
        plans = [one.summary for one in self._steps() if "batches" in one.summary]
        if not plans:
            raise RefusedError("this run has no plan of a rollout: start restart-servers through its playbook")
        return plans[-1]

    def _opened(self) -> int:
        """Return how many batches were opened."""
        return len([one for one in self._steps() if "batch" in one.summary])

    def _steps(self) -> list[Answer]:
        return [one for one in self._answers if one.action == "restart_rollout"]

    def _demand_earlier_proven(self) -> None:
        waiting = sorted({host for host, one in self.said.items() if one["pending"] == "restarted"} - self._proven())
        if waiting:
            raise RefusedError(
                f"the restart of {', '.join(waiting)} by an earlier run is not proven: nothing else goes down. {_AGAIN}"
            )

    def _demand_proven(self, batch: Mapping[str, Any]) -> None:
        proven, back = self._proven(batch["number"]), self._back(batch["number"])
        missing = sorted(set(batch["proving"]) - proven | set(batch["hosts"]) - back)
        if missing:
            raise RefusedError(
                f"batch {batch['number']} is not proven ({', '.join(missing)}): nothing else goes down. {_AGAIN}"
            )

    def _proven(self, batch: int = 0) -> set[str]:
        """Return the hosts whose proof has passed since a batch was opened."""
        return {one.host for one in self._proofs(batch)}

    def _back(self, batch: int) -> set[str]:
        """Return those of them that were restarted."""
        passed = ("restart", "passed")
        return {
            one.host
            for one in self._proofs(batch)
            if any((item.get("item"), item.get("status")) == passed for item in one.summary["items"])
        }

    def _proofs(self, batch: int) -> list[Answer]:
        since = 0
        for number, one in enumerate(self._answers):
            if batch and one.action == "restart_rollout" and one.summary.get("batch") == batch:
                since = number
        return [
            one
            for one in self._answers[since:]
            if one.action == "restart_proof" and one.summary.get("verdict") == "passed"
        ]
