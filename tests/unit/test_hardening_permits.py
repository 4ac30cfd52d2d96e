"""What is asked of the controller before the settings of a host are changed, and before a change of them is kept."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from yunwei import gate, permits
from yunwei.paths import content_root

WORK = {"system": "mediation", "probe_account": "yunwei-probe", "hosts": {"app1": {}}}
PERMIT = {
    "run_id": "r-1",
    "hosts": ["app1"],
    "expires": "2099-01-01T00:00:00Z",
    "work": {"mediation": permits.digest(WORK)},
}


def confirm(host: str, **args: Any) -> dict[str, Any]:
    """Call the action plugin with nothing to log in by: what gets as far as that fails loudly."""
    path = content_root() / "plugins/action/hardening_confirm.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugin = module.ActionModule.__new__(module.ActionModule)
    plugin._task = SimpleNamespace(args=args, async_val=0, check_mode=False)
    plugin._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    found: dict[str, Any] = plugin.run(task_vars={"inventory_hostname": host})
    return found


@pytest.mark.parametrize(
    ("host", "changed", "said"),
    [
        ("app1", {"work": {**WORK, "probe_account": None}}, "is not what the gate of run r-1 gave out"),
        ("db1", {}, "the permit of run r-1 is not for db1"),
        ("app1", {"permit": {**PERMIT, "hosts": ["app1", "db1"]}}, "was not issued by the gate of run r-1"),
        ("app1", {"permit": None}, "no permit or no work"),
        ("app1", {"work": None}, "no permit or no work"),
    ],
)
def test_a_change_is_kept_only_for_the_gates_permit_and_work(
    monkeypatch: pytest.MonkeyPatch, host: str, changed: dict[str, Any], said: str
):
    monkeypatch.setattr(gate, "require_session", lambda: SimpleNamespace(permits=[PERMIT], run_id="r-1"))
    found = confirm(host, **{"permit": PERMIT, "work": WORK, "armed": {}, **changed})
    assert (found["failed"], found["yunwei"]["exit_code"]) == (True, 3)
    assert said in found["msg"]
