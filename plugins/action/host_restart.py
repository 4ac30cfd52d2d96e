"""Restart a host and wait until it is back: the module goes down with it, Ansible's own `reboot` does the waiting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action.reboot import ActionModule as Reboot

from yunwei import gate, permits
from yunwei.ansible_results import refused
from yunwei.errors import YunweiError
from yunwei.restart.rollout import Rollout
from yunwei.work.restarts import HostRestartWork, host_work

DOCUMENTATION = """
name: host_restart
short_description: Restart a host and wait until it is back
description:
  - Runs the module of the same name, which refuses, or takes the host down. Then waits as ansible.builtin.reboot does,
    until process 1 is another one. Refuses a host whose batch is not the one that restart_rollout opened last.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
  work: {description: The unit of work of one system of the host (RestartWork)., type: dict, required: true}
  take_back: {description: Undrain a host that an earlier run drained and that is left now., type: bool, default: false}
"""

# A kernel's start has another boot id; a container's start has another process 1 only.
_IDENTITY = "cat /proc/sys/kernel/random/boot_id; sed 's/.*) //' /proc/1/stat | cut -d' ' -f20"
_CONNECT_SECONDS = 5


class ActionModule(Reboot):
    """The restart of one host."""

    _VALID_ARGS = Reboot._VALID_ARGS | {"permit", "work", "take_back"}

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module said, once the host is back; failed where it refused or did not come back."""
        try:
            work = self._permitted_work(str((task_vars or {})["inventory_hostname"]))
        except YunweiError as error:
            return refused(error)
        self._said: dict[str, Any] = {}
        self._given = {"permit": self._task.args["permit"], "work": work, "take_back": self._takes_back()}
        if self._takes_back():
            return dict(self._call_module(task_vars))
        self._task.args.update(
            boot_time_command=_IDENTITY, reboot_timeout=work["down_seconds"], connect_timeout=_CONNECT_SECONDS
        )
        result: dict[str, Any] = super().run(tmp, task_vars)
        if "yunwei" in self._said:
            result["yunwei"] = self._said["yunwei"]
        if result.get("failed") and result.get("rebooted"):
            reason = f"{work['host']} did not come back within {work['down_seconds']} s; look at its console"
            result.update(msg=reason, yunwei={**result.get("yunwei", {}), "reason": reason, "exit_code": 1})
        return result

    def _permitted_work(self, host: str) -> HostRestartWork:
        opened = gate.require_session()
        permits.require_permitted(self._task.args, host, opened)
        rollout = Rollout(opened.recorder.answers)
        if self._takes_back():
            rollout.require_drained(host)
        else:
            rollout.require_turn(host)
        return host_work(self._task.args["work"], host)

    def _takes_back(self) -> bool:
        return bool(boolean(self._task.args.get("take_back", False)))

    def _call_module(self, task_vars: dict[str, Any] | None) -> Any:
        return self._execute_module(module_name="host_restart", module_args=self._given, task_vars=task_vars)

    def perform_reboot(self, task_vars: dict[str, Any], distribution: dict[str, str]) -> dict[str, Any]:
        """Let the module take the host down; its refusal is the task's."""
        begun = {"start": datetime.now(UTC)}
        try:
            self._said = self._call_module(task_vars)
        except AnsibleConnectionFailure:
            return {**begun, "failed": False}  # it went down before its answer was through
        if self._said.get("failed"):
            return {**self._said, **begun, "rebooted": False}
        return {**begun, "failed": False}
