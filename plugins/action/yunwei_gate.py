"""Refuse to act, or issue the permit, the locks and the unit of work. Glue: the decisions are in `yunwei.gate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import connection_loader

from yunwei import gate
from yunwei.ansible_results import ControllerAction
from yunwei.errors import RefusedError, UsageError

DOCUMENTATION = """
name: yunwei_gate
short_description: Refuse to act, or issue the permit that every acting module demands
description:
  - Must be the first task of the acting play, with C(run_once). Nothing on a host is touched.
  - Refuses when no evidence record is open, when a setting would write secrets to a disk or show them, when host keys
    are not checked, when policy or a name is wrong, and when another run holds the lock of a system (exit code 3).
  - Refuses a disruptive job while the calendar has no room for it, and whatever policy wants approved without a plan
    that a second person has signed (exit code 3).
  - In check mode no lock is taken and no approval is asked for.
options:
  job: {description: The job's name., type: str, required: true}
  systems: {description: Ids of systems; all where empty. Default is the variable C(yunwei_systems)., type: list}
  now: {description: Act on every item, due or not. Default is the variable C(yunwei_now)., type: bool}
  options: {description: The job's own options such as C(site)., type: dict}
  plan: {description: File of a stored plan. Default is the variable C(yunwei_plan)., type: path}
  approval: {description: File of its approval. Default is C(yunwei_approval) or beside the plan., type: path}
"""

_ARGUMENTS = frozenset({"job", "systems", "now", "options", "plan", "approval"})
_CONNECTION_VARIABLES = (
    "ansible_pipelining",
    "ansible_ssh_pipelining",
    "ansible_host_key_checking",
    "ansible_ssh_host_key_checking",
)


class ActionModule(ControllerAction):
    """The gate task."""

    def _act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return `permit` and `work`."""
        self._refuse_unsafe_settings(task_vars)
        return gate.open_gate(self._request(task_vars), gate.require_session())

    def _request(self, task_vars: dict[str, Any]) -> gate.Request:
        args = dict(self._task.args)
        unknown = sorted(set(args) - _ARGUMENTS)
        if unknown or not args.get("job"):
            raise UsageError(
                f"yunwei_gate takes {', '.join(sorted(_ARGUMENTS))}, job at least; found {unknown or args}"
            )
        systems = args.get("systems", self._variable("yunwei_systems", task_vars)) or []
        now = args.get("now", self._variable("yunwei_now", task_vars)) or False
        return gate.Request(
            job=str(args["job"]),
            systems=[str(name) for name in systems.split(",")] if isinstance(systems, str) else list(systems),
            now=boolean(now, strict=False),
            check=bool(self._task.check_mode),
            options=dict(args.get("options") or {}),
            play=[str(host) for host in task_vars.get("ansible_play_hosts_all", [])],
            hosts=[str(host) for host in task_vars.get("ansible_play_batch", [])],
            plan=self._file("plan", task_vars),
            approval=self._file("approval", task_vars),
        )

    def _file(self, name: str, task_vars: dict[str, Any]) -> Path | None:
        found = self._task.args.get(name) or self._variable(f"yunwei_{name}", task_vars)
        return Path(str(found)).absolute() if found else None

    def _variable(self, name: str, task_vars: dict[str, Any]) -> Any:
        return self._templar.template(task_vars[name]) if name in task_vars else None

    def _refuse_unsafe_settings(self, task_vars: dict[str, Any]) -> None:
        """Refuse settings under which secrets reach a disk, a screen or a stranger."""
        if C.DISPLAY_ARGS_TO_STDOUT or C.DEFAULT_DEBUG:
            raise RefusedError("task arguments would be shown: switch display_args_to_stdout and ANSIBLE_DEBUG off")
        if C.DEFAULT_KEEP_REMOTE_FILES:
            raise RefusedError("modules would be kept on the hosts: switch ANSIBLE_KEEP_REMOTE_FILES off")
        for host in task_vars.get("ansible_play_hosts_all", []):
            self._refuse_unsafe_connection(host, task_vars["hostvars"][host])

    def _refuse_unsafe_connection(self, host: str, variables: Any) -> None:
        name = str(variables.get("ansible_connection", self._play_context.connection or "ssh"))
        name = "ssh" if name == "smart" else name.rpartition(".")[2]
        connection = connection_loader.get(name, self._play_context, None)
        if connection is None:
            raise RefusedError(f"{host}: connection {name!r} is not known; ssh is allowed")
        # Only these: a host's other variables need not be defined yet.
        connection.set_options(var_options={key: variables[key] for key in _CONNECTION_VARIABLES if key in variables})
        if not connection.get_option("pipelining"):
            raise RefusedError(
                f"{host}: pipelining is off, so secrets would be written to its disk. Use the project's ansible.cfg "
                f"(set ANSIBLE_CONFIG), or set pipelining = True under [connection] and [ssh_connection]."
            )
        if name == "ssh" and not connection.get_option("host_key_checking"):
            raise RefusedError(f"{host}: host keys are not checked. Set host_key_checking = True (ansible.cfg).")
