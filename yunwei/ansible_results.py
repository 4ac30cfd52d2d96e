"""What action plugins have in common: errors that become results, and the plugin that stands before acting modules."""

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from yunwei import gate, permits, session
from yunwei.errors import YunweiError


def refused(error: YunweiError) -> dict[str, Any]:
    """Return a failed result, and say why on a line of its own: the task's result may be hidden."""
    reason = f"REFUSED: {error}"
    Display().display(reason, color=C.COLOR_ERROR)
    return {"failed": True, "msg": reason, "yunwei": {"refused": str(error), "exit_code": error.exit_code}}


class YunweiAction(ActionBase):  # type: ignore[misc]
    """Does its part in `_act`, whose errors become the task's result with the exit code that they carry."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what `_act` found, or fail with a line that begins with REFUSED."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            return {**result, **self._act(task_vars or {})}
        except YunweiError as error:
            return {**result, **self._failure(error)}

    def _act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do it and return the result."""
        raise NotImplementedError

    def _failure(self, error: YunweiError) -> dict[str, Any]:
        """Return the result of an error."""
        return refused(error)


class ControllerAction(YunweiAction):
    """A step that no host takes."""

    _requires_connection = False


class PermittedAction(YunweiAction):
    """Calls the module of the same name, once its permit and work have proven to be this run's gate's.

    The check is made here on the controller, where the session is, so no way into a play leads around it: a role
    called directly, tags, a limit, variables that replace the gate's. The module checks on the host what only it can.
    """

    UNRECORDED_JOBS: frozenset[str] = frozenset()
    """Jobs of the second site's administrator: that site has no session of the first one, nor its gate."""

    def _act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        host = str(task_vars["inventory_hostname"])
        self._demand_permit(host)
        return dict(self._execute_module(module_args=self._arguments_for(host), task_vars=task_vars))

    def _arguments_for(self, host: str) -> dict[str, Any]:
        """Return what the module is called with: what the task was, where a plugin hands no part of it on."""
        return dict(self._task.args)

    def _demand_permit(self, host: str) -> None:
        permit = self._task.args.get("permit")
        job = permit.get("job") if isinstance(permit, dict) else None
        work = self._task.args.get("work")
        site = work.get("site") if isinstance(work, dict) else None
        if session.current() is None and job in self.UNRECORDED_JOBS and site == "miyun":
            return
        permits.require_permitted(self._task.args, host, gate.require_session())
