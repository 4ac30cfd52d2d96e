"""Fetch every secret of a permit from Vault, once. Glue: the decisions are in `yunwei.gate`."""

from __future__ import annotations

from typing import Any

from yunwei import gate
from yunwei.ansible_results import ControllerAction
from yunwei.errors import UsageError

DOCUMENTATION = """
name: yunwei_secrets
short_description: Fetch every secret that a permit needs, in one go
description:
  - Must follow C(yunwei_gate) in the acting play, with C(run_once) and C(no_log). Nothing on a host is touched.
  - The values are in C(secrets), by system and name. They live in Ansible's memory and in pipes only.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
"""


class ActionModule(ControllerAction):
    """The one fetch of a run."""

    def _act(self, _task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return `secrets`."""
        if not self._task.no_log:
            raise UsageError("yunwei_secrets without no_log would show every secret: set no_log: true")
        permit = self._task.args.get("permit")
        if not isinstance(permit, dict) or set(self._task.args) != {"permit"}:
            raise UsageError("yunwei_secrets takes one argument: the permit of yunwei_gate")
        return {"secrets": gate.fetch_secrets(permit, gate.require_session())}
