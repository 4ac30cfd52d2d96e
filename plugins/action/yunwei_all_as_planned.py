"""Go on only while no host of the plan has fallen out. Glue: the decision is in `yunwei.permits`."""

from __future__ import annotations

from typing import Any

from yunwei import gate, permits
from yunwei.ansible_results import ControllerAction
from yunwei.errors import NotAsPlannedError, YunweiError

DOCUMENTATION = """
name: yunwei_all_as_planned
short_description: Go on only while no host of the plan has fallen out
description:
  - With C(run_once), after every host has planned and before any acts. Where the run carries out a stored plan and a
    host has failed or is out of reach, nothing is done on any host (exit code 3). Without a plan it lets pass.
options:
  permit: {description: What the gate issued., type: dict, required: true}
"""


class ActionModule(ControllerAction):
    """The task between planning and acting."""

    def _act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return nothing of note."""
        play, alive = (
            [str(host) for host in task_vars.get(name, [])] for name in ("ansible_play_hosts_all", "ansible_play_hosts")
        )
        permits.require_all_as_planned(self._task.args["permit"], play, alive, gate.require_session())
        return {}

    def _failure(self, error: YunweiError) -> dict[str, Any]:
        found = super()._failure(error)
        if isinstance(error, NotAsPlannedError):
            found["yunwei"]["fallen_out"] = error.hosts
        return found
