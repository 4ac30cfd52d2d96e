"""Keep a change of settings on a host, if a login of its own says that one still can. Glue over yunwei.hardening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible import constants as C
from ansible.utils.display import Display

from yunwei import gate, permits, relay, remote
from yunwei.ansible_results import ControllerAction
from yunwei.errors import YunweiError
from yunwei.hardening import confirm

DOCUMENTATION = """
name: hardening_confirm
short_description: Keep a change of settings, after a login of its own
description:
  - Where policy names a probe account, logs in as it by password and becomes root with the password typed.
  - Opens a new TCP connection with the inventory's key, becomes root and disarms the guard of module hardening_apply.
  - Where that is not possible in time the host takes the change back by itself; the task fails and says so.
  - Refuses a permit or work that is not this run's gate's; the host then takes the change back as well.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
  work: {description: The unit of work of one system (HardeningWork)., type: dict, required: true}
  secrets: {description: The secrets of the system by name; the probe account's password., type: dict}
  armed: {description: What hardening_apply returned of the waiting change., type: dict, required: true}
"""


class ActionModule(ControllerAction):
    """The task that keeps a change."""

    def _act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return that the change is kept, or fail; exit code 4 where settings could not be judged."""
        args, host = self._task.args, str(task_vars["inventory_hostname"])
        permits.require_permitted(args, host, gate.require_session())
        summary: dict[str, Any] = {"system": str(args["work"]["system"])}
        try:
            of_host = task_vars["hostvars"][host]
            armed = confirm.Armed(*(args["armed"][key] for key in ("folder", "python", "seconds")))
            ssh = relay.ssh_command(host, of_host)
            confirm.confirm(ssh, armed, confirm.sudo_password(of_host), _probe(host, of_host, args))
        except YunweiError as error:
            return _failed({**summary, "exit_code": error.exit_code}, f"{host}: {error}")
        ways = "a key and by password" if args["work"]["probe_account"] else "a key"
        summary["kept"] = f"after a new login with {ways}, and sudo"
        if args["armed"]["not_judged"]:
            reason = "the change is kept, but not everything could be judged: " + "; ".join(args["armed"]["not_judged"])
            return _failed({**summary, "exit_code": 4}, reason)
        return {"yunwei": summary}


def _probe(host: str, variables: Any, args: dict[str, Any]) -> Callable[[], None] | None:
    work = args["work"]
    if not work["probe_account"]:
        return None
    endpoint = remote.Endpoint(
        address=str(variables.get("ansible_host") or host),
        user=str(work["probe_account"]),
        private_key="",
        host_keys=list(work["known_hosts"][host]),
        port=int(variables.get("ansible_port") or 22),
        password=str(args["secrets"]["login-probe"]["password"]),
    )
    return lambda: confirm.try_password(endpoint)


def _failed(summary: dict[str, Any], reason: str) -> dict[str, Any]:
    """Say why on a line of its own: the task's result is hidden."""
    Display().display(f"FAILED: {reason}", color=C.COLOR_ERROR)
    return {"failed": True, "msg": reason, "yunwei": {**summary, "reason": reason}}
