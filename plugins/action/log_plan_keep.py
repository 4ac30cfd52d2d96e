"""Keep the whole list of planned log files beside the ledger, however long it is; the record names it."""

from __future__ import annotations

import os
from typing import Any

from yunwei import gate
from yunwei.ansible_results import ControllerAction
from yunwei.errors import YunweiError
from yunwei.log_plans import keep_list

DOCUMENTATION = """
name: log_plan_keep
short_description: Keep the whole list of planned log files beside the ledger
description:
  - Writes one JSON line for each file, in check mode too. The run's record names the file and its digest.
options:
  plan: {description: The packed list of log_files_plan., type: dict, required: true}
  system: {description: The system's id., type: str, required: true}
"""


class ActionModule(ControllerAction):
    """The task that keeps the list."""

    def _act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the artifact that the record names, or fail."""
        host, system = str(task_vars["inventory_hostname"]), str(self._task.args["system"])
        try:
            run_id = gate.require_session().run_id
            path = keep_list(dict(self._task.args["plan"]), f"{system}-{host}", run_id)
        except (YunweiError, OSError, ValueError) as error:
            reason = (
                f"the list of planned files cannot be kept: {error}; nothing was removed, put it right and start again"
            )
            return {"failed": True, "msg": reason}
        artifact = {"path": os.fspath(path), "sha256": self._task.args["plan"]["sha256"]}
        return {"yunwei": {"system": system, "artifacts": [artifact]}}
