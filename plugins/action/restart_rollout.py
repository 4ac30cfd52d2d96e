"""The steps of a rollout that no host can take: plan it, ask the calendar before each batch, tell what was left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible import constants as C
from ansible.utils.display import Display

from yunwei import gate, permits, policy
from yunwei.ansible_results import ControllerAction
from yunwei.errors import CouldNotJudgeError, UsageError, YunweiError
from yunwei.restart.plan import Facts, make_plan
from yunwei.restart.rollout import Rollout
from yunwei.restart.windows import measured_seconds, require_open
from yunwei.session import Session

DOCUMENTATION = """
name: restart_rollout
short_description: Plan a rollout of restarts, ask the calendar before each batch, tell what was left
description:
  - C(plan) turns what the hosts said into batches; it refuses where a stored plan is carried out and this is another.
  - C(window) opens the next batch; it reads policy anew and refuses where the calendar has no room for it, or where a
    restart is not proven.
  - C(end) refuses with the hosts that need a restart and were left.
  - What was found, planned and proven is taken from the run's own results, never from variables.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
  step: {description: "C(plan), C(window) or C(end).", type: str, required: true}
  work: {description: "C(plan): the work of every system.", type: dict}
"""


class ActionModule(ControllerAction):
    """One step."""

    def _act(self, _task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the plan, or nothing."""
        steps = {"plan": self._plan, "window": self._window, "end": self._end}
        step, permit = self._task.args.get("step"), self._task.args.get("permit") or {}
        if step not in steps:
            raise UsageError(f"restart_rollout takes a step, one of {', '.join(steps)}")
        opened = gate.require_session()
        permits.require_issued(permit, opened)
        return steps[step](permit, opened)

    def _failure(self, error: YunweiError) -> dict[str, Any]:
        if not isinstance(error, CouldNotJudgeError):
            return super()._failure(error)
        reason = f"COULD NOT JUDGE: {error}"
        Display().display(reason, color=C.COLOR_ERROR)
        return {"failed": True, "msg": reason, "yunwei": {"reason": str(error), "exit_code": error.exit_code}}

    def _plan(self, permit: Mapping[str, Any], opened: Session) -> dict[str, Any]:
        units = dict(self._task.args["work"])
        for unit in units.values():
            permits.require_work(permit, unit, opened)
        said = Rollout(opened.recorder.answers).said
        plan = make_plan(opened.policy, Facts(units, said, measured_seconds(opened.ledger, said)), datetime.now(UTC))
        permits.require_as_planned(permit, plan.digests)
        steps = {"batches": plan.batches, "left": plan.left, "unjudged": plan.unjudged, "drained": plan.drained}
        return {
            "changed": bool(plan.batches) and self._task.check_mode,
            **steps,
            "yunwei": {"plan": {"hosts": plan.digests}, "items": plan.rows, **steps},
        }

    def _window(self, permit: Mapping[str, Any], opened: Session) -> dict[str, Any]:
        permits.require_current(permit)
        batch = Rollout(opened.recorder.answers).next_batch()
        if not permits.passes_calendar(permit):
            require_open(policy.load(opened.inventory_dir), batch["hosts"], int(batch["expected_seconds"]))
        return {"yunwei": {"batch": batch["number"]}}

    def _end(self, _permit: Mapping[str, Any], opened: Session) -> dict[str, Any]:
        Rollout(opened.recorder.answers).end()
        return {}
