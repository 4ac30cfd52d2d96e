"""What action plugins have in common: how a refusal is shown, and the plugin that stands before each acting module."""

from __future__ import annotations

from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from yunwei import gate, permits, session
from yunwei.errors import YunweiError


def refused(result: dict[str, Any], reason: str, exit_code: int) -> dict[str, Any]:
    """Return a failed result, and say why on a line of its own: the task's result may be hidden."""
    Display().display(f"REFUSED: {reason}", color=C.COLOR_ERROR)
    result.update(failed=True, msg=f"REFUSED: {reason}", yunwei={"refused": reason, "exit_code": exit_code})
    return result


class PermittedAction(ActionBase):  # type: ignore[misc]
    """Calls the module of the same name, once its permit and work have proven to be this run's gate's.

    The check is made here on the controller, where the session is, so no way into a play leads around it: a role
    called directly, tags, a limit, variables that replace the gate's. The module checks on the host what only it can.
    """

    TRANSFERS_FILES = False
    UNRECORDED_JOBS: frozenset[str] = frozenset()
    """Jobs of the second site's administrator: that site has no session of the first one, nor its gate."""
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, or fail with a line that begins with REFUSED."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = str(variables["inventory_hostname"])
        try:
            self._demand_permit(host)
            arguments = self._arguments_for(host)
        except YunweiError as error:
            return refused(result, str(error), error.exit_code)
        result.update(self._execute_module(module_args=arguments, task_vars=variables))
        return result

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
