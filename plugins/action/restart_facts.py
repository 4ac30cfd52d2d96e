"""Call module `restart_facts` for a permit of this run only, with the host's part of the gate's work."""

from __future__ import annotations

from typing import Any

from yunwei.ansible_results import PermittedAction
from yunwei.work.restarts import host_work


class ActionModule(PermittedAction):
    """The module behind its permit."""

    def _arguments_for(self, host: str) -> dict[str, Any]:
        return {"permit": self._task.args["permit"], "work": host_work(self._task.args["work"], host)}
