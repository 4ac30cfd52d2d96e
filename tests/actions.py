"""Action plugins called by themselves: what gets as far as reaching a host fails loudly, for there is none."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

from yunwei.paths import content_root


def call(
    action: str, task_vars: dict[str, Any], *, check_mode: bool = False, no_log: bool = False, **args: Any
) -> dict[str, Any]:
    """Return the result of a task."""
    path = content_root() / f"plugins/action/{action}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugin = module.ActionModule.__new__(module.ActionModule)
    plugin._task = SimpleNamespace(args=args, async_val=0, check_mode=check_mode, no_log=no_log)
    plugin._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    found: dict[str, Any] = plugin.run(task_vars=task_vars)
    return found
