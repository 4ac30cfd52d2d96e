"""Keep a change of settings on a host, if a login of its own says that one still can. Glue over yunwei.hardening."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from yunwei import gate, relay
from yunwei.errors import YunweiError
from yunwei.hardening import confirm

DOCUMENTATION = """
name: hardening_confirm
short_description: Keep a change of settings, after a login of its own
description:
  - Opens a new TCP connection with the inventory's key, becomes root and disarms the guard of module hardening_apply.
  - Where that is not possible in time the host takes the change back by itself; the task fails and says so.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
  system: {description: The system's id., type: str, required: true}
  armed: {description: What hardening_apply returned of the waiting change., type: dict, required: true}
"""


class ActionModule(ActionBase):
    """The task that keeps a change."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return that the change is kept, or fail; exit code 4 where settings could not be judged."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args, host = self._task.args, str(variables["inventory_hostname"])
        summary: dict[str, Any] = {"system": str(args["system"])}
        try:
            gate.require_issued(args["permit"], gate.require_session())
            of_host = variables["hostvars"][host]
            armed = confirm.Armed(*(args["armed"][key] for key in ("folder", "python", "seconds")))
            confirm.confirm(relay.ssh_command(host, of_host), armed, confirm.sudo_password(of_host))
        except YunweiError as error:
            return _failed(result, {**summary, "exit_code": error.exit_code}, str(error))
        summary["kept"] = f"after a new login with a key and sudo on {host}"
        if args["armed"]["not_judged"]:
            reason = "the change is kept, but not everything could be judged: " + "; ".join(args["armed"]["not_judged"])
            return _failed(result, {**summary, "exit_code": 4}, reason)
        return {**result, "yunwei": summary}


def _failed(result: dict[str, Any], summary: dict[str, Any], reason: str) -> dict[str, Any]:
    return {**result, "failed": True, "msg": reason, "yunwei": {**summary, "reason": reason}}
