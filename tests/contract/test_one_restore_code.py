"""The drill proves the code that a real recovery runs: whatever restores in a drill restores in a recovery."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import yaml

from yunwei.paths import content_root

ROOT = content_root()
HOST_CODE = ROOT / "module_utils" / "yunwei_restore"


def _tasks(name: str) -> list[dict[str, Any]]:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8"))
    assert len(plays) == 1
    return plays[0]["tasks"]


def _restoring(tasks: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return what restores: the modules of that name, and the entries of roles."""
    found = set()
    for task in tasks:
        role = task.get("ansible.builtin.include_role") or task.get("ansible.builtin.import_role")
        if role:
            found.add((role["name"], role.get("tasks_from", "main")))
        found |= {("module", key) for key in task if key.startswith("restore_")}
    return found


def test_the_drill_uses_nothing_that_recovery_does_not():
    drill, recovery = _restoring(_tasks("drill_restore")), _restoring(_tasks("recover_system"))
    assert drill
    assert drill <= recovery


def test_neither_playbook_reaches_hosts_past_the_gate_or_the_role():
    allowed = {"yunwei_gate", "yunwei_secrets", "ansible.builtin.include_role"}
    words = {"name", "register", "run_once", "no_log", "vars", "loop", "loop_control"}
    for name in ("drill_restore", "recover_system"):
        assert {key for task in _tasks(name) for key in task} <= allowed | words


def test_the_role_asks_for_the_mode_nowhere():
    """Its steps are the same for both; what differs is decided in the modules, by the unit of work."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "roles" / "system_restore" / "tasks").glob("*.yml")]
    assert texts
    assert [text for text in texts if "system_restore_work.mode" in text or "drill-restore" in text] == []


def test_each_way_of_restoring_has_one_home():
    """A second caller of these programs would be a second way of restoring."""
    homes = {"pg_restore": "load.py", "pg_createcluster": "cluster.py", "create_file": "extract.py"}
    for word, home in homes.items():
        callers = [path.name for path in HOST_CODE.glob("*.py") if word in _called_words(path)]
        assert callers == [home], word


def _called_words(path: Path) -> set[str]:
    """Return the text arguments and method names of every call in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            inside = [part for arg in node.args for part in ast.walk(arg)]
            found |= {part.value for part in inside if isinstance(part, ast.Constant) and isinstance(part.value, str)}
            if isinstance(node.func, ast.Attribute):
                found.add(node.func.attr)
    return found
