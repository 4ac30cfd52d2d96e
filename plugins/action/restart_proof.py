"""Call module `restart_proof` for a permit of this run only, with the host's part of the gate's work."""

from __future__ import annotations

from typing import Any

from yunwei import gate, permits
from yunwei.ansible_results import PermittedAction
from yunwei.work.restarts import host_work


class ActionModule(PermittedAction):
    """The module behind its permit, which may be over by now: a host that went down is proven all the same."""

    def _demand_permit(self, host: str) -> None:
        permits.require_handed_on(self._task.args, host, gate.require_session())

    def _arguments_for(self, host: str) -> dict[str, Any]:
        return {"permit": self._task.args["permit"], "work": host_work(self._task.args["work"], host)}
