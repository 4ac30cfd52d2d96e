"""Fetch every secret of a permit from Vault, once. Glue: the decisions are in `yunwei.gate`."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from yunwei import gate
from yunwei.ansible_results import refused
from yunwei.errors import YunweiError

DOCUMENTATION = """
name: yunwei_secrets
short_description: Fetch every secret that a permit needs, in one go
description:
  - Must follow C(yunwei_gate) in the acting play, with C(run_once) and C(no_log). Nothing on a host is touched.
  - The values are in C(secrets), by system and name. They live in Ansible's memory and in pipes only.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
"""


class ActionModule(ActionBase):
    """The one fetch of a run."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `secrets`, or fail with a line that begins with REFUSED."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if not self._task.no_log:
            return refused(result, "yunwei_secrets without no_log would show every secret: set no_log: true", 2)
        permit = self._task.args.get("permit")
        if not isinstance(permit, dict) or set(self._task.args) != {"permit"}:
            return refused(result, "yunwei_secrets takes one argument: the permit of yunwei_gate", 2)
        try:
            result["secrets"] = gate.fetch_secrets(permit, gate.require_session())
        except YunweiError as error:
            return refused(result, str(error), error.exit_code)
        return result
