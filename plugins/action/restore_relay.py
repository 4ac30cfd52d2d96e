"""Carry what another host fetched to a target that cannot read the repository itself. Glue over `yunwei.relay`."""

from __future__ import annotations

import json
from typing import Any

from yunwei import gate, permits, relay
from yunwei.ansible_results import ControllerAction
from yunwei.errors import RefusedError, YunweiError

DOCUMENTATION = """
name: restore_relay
short_description: Carry fetched backups from one host to another through the controller's memory
description:
  - From the other host's work folder into that of the target. Nothing is written on the controller.
  - C(taken) holds what the other host knows about them; module restore_fetch checks it on the target.
options:
  permit: {description: The permit of yunwei_gate., type: dict, required: true}
  work: {description: The unit of work of one system., type: dict, required: true}
  source: {description: Name of the host that fetched., type: str, required: true}
  source_dir: {description: Its work folder., type: str, required: true}
"""


class ActionModule(ControllerAction):
    """The relay task."""

    def _act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return `taken`."""
        work, source = self._task.args["work"], str(self._task.args["source"])
        if self._task.check_mode:
            return {"taken": {}}
        permits.require_issued(self._task.args["permit"], gate.require_session())
        if work["system"] not in self._task.args["permit"]["systems"]:
            raise RefusedError(f"no permit for {work['system']}: start this through its gate")
        return {"changed": True, "taken": self._carry(work, task_vars, source, str(task_vars["inventory_hostname"]))}

    def _failure(self, error: YunweiError) -> dict[str, Any]:
        """Return what could not be carried, which need not be a refusal."""
        summary: dict[str, Any] = {"reason": str(error), "exit_code": error.exit_code}
        if isinstance(error, RefusedError):
            summary["refused"] = str(error)
        return {"failed": True, "msg": str(error), "yunwei": summary}

    def _carry(self, work: dict[str, Any], variables: dict[str, Any], source: str, target: str) -> dict[str, Any]:
        """Copy every file that the source's state names; return the state's items with the target's paths."""
        reader = relay.ssh_command(source, variables["hostvars"][source])
        writer = relay.ssh_command(target, variables["hostvars"][target])
        old, new = f"{self._task.args['source_dir']}/fetch", f"{work['work_dir']}/fetch"
        items = json.loads(relay.read_file(reader, f"{self._task.args['source_dir']}/state.json"))["items"]
        for item in items.values():
            for path in [item["manifest"], *item["digests"]]:
                relay.demand_newest(writer, target, work["system"], self._task.args["permit"])
                relay.copy_file(reader, path, writer, relay.moved(path, old, new))
            item["manifest"] = relay.moved(item["manifest"], old, new)
            item["digests"] = {relay.moved(path, old, new): digest for path, digest in item["digests"].items()}
            item["paths"] = {payload: relay.moved(path, old, new) for payload, path in item["paths"].items()}
        return dict(items)
