"""The steps of a rollout that no host can take: plan it, ask the calendar before each batch, tell what was left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from yunwei import gate, permits, policy
from yunwei.errors import RefusedError, UsageError, YunweiError
from yunwei.restart.plan import Facts, make_plan
from yunwei.restart.windows import measured_seconds, require_open

DOCUMENTATION = """
name: restart_rollout
short_description: Plan a rollout of restarts, ask the calendar before each batch, tell what was left
description:
  - C(plan) turns what the hosts said into batches. C(window) reads policy anew and refuses where the calendar has no
    room for the batch. C(end) refuses with the hosts that need a restart and may not have one.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
  step: {description: "C(plan), C(window) or C(end).", type: str, required: true}
  work: {description: "C(plan): the work of every system.", type: dict}
  facts: {description: "C(plan): what restart_facts said, by host.", type: dict}
  batch: {description: "C(window): one batch of the plan.", type: dict}
  blocked: {description: "C(end): hosts with the reason.", type: dict}
"""


class ActionModule(ActionBase):
    """One step."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan, or nothing, or fail with a line that begins with REFUSED."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        steps = {"plan": self._plan, "window": self._window, "end": self._end}
        try:
            if self._task.args.get("step") not in steps:
                raise UsageError(f"restart_rollout takes a step, one of {', '.join(steps)}")
            permits.require_issued(self._task.args["permit"], gate.require_session())
            return {**result, **steps[self._task.args["step"]]()}
        except YunweiError as error:
            Display().display(f"REFUSED: {error}", color=C.COLOR_ERROR)
            summary = {"refused": str(error), "exit_code": error.exit_code}
            return {**result, "failed": True, "msg": f"REFUSED: {error}", "yunwei": summary}

    def _plan(self) -> dict[str, Any]:
        session = gate.require_session()
        said = dict(self._task.args["facts"])
        facts = Facts(self._task.args["work"], said, measured_seconds(session.ledger, said))
        plan = make_plan(session.policy, facts, datetime.now(UTC))
        return {
            "changed": bool(plan.batches) and self._task.check_mode,
            "batches": plan.batches,
            "blocked": plan.blocked,
            "yunwei": {"plan_sha256": plan.digest, "items": plan.rows},
        }

    def _window(self) -> dict[str, Any]:
        permit = self._task.args["permit"]
        permits.require_current(permit)
        if permits.passes_calendar(permit):
            return {}
        batch = self._task.args["batch"]
        now = policy.load(gate.require_session().inventory_dir)
        require_open(now, batch["hosts"], int(batch["expected_seconds"]))
        return {}

    def _end(self) -> dict[str, Any]:
        blocked = dict(self._task.args["blocked"])
        if blocked:
            lines = [f"{host} needs a restart and was left: {why}" for host, why in sorted(blocked.items())]
            hint = "Put it right, or waive it by its name in policy (restart.waivers), and start again."
            raise RefusedError("\n".join([*lines, hint]))
        return {}
