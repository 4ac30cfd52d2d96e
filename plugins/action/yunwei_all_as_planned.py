"""Go on only while no host of the plan has fallen out. Glue: the decision is in `yunwei.permits`."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from yunwei import gate, permits
from yunwei.ansible_results import refused
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


class ActionModule(ActionBase):
    """The task between planning and acting."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return nothing of note, or fail with a line that begins with REFUSED."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        play, alive = (
            [str(host) for host in (task_vars or {}).get(name, [])]
            for name in ("ansible_play_hosts_all", "ansible_play_hosts")
        )
        try:
            permits.require_all_as_planned(self._task.args["permit"], play, alive, gate.require_session())
        except NotAsPlannedError as error:
            found = refused(result, str(error), error.exit_code)
            found["yunwei"]["fallen_out"] = error.hosts
            return found
        except YunweiError as error:
            return refused(result, str(error), error.exit_code)
        return result
