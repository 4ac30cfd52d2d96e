"""Call module `hardening_apply` for a permit of this run only, and for a stored plan only when all its hosts agree."""

from __future__ import annotations

from yunwei import gate, permits
from yunwei.ansible_results import PermittedAction


class ActionModule(PermittedAction):
    """The module behind its permit."""

    def _demand_permit(self, host: str) -> None:
        super()._demand_permit(host)
        if not self._task.check_mode:
            permits.require_all_looked(self._task.args["permit"], "hardening_apply", gate.require_session())
