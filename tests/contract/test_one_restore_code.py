"""The drill proves the code that a real recovery runs: whatever restores in a drill restores in a recovery."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.mode_reach import Code
from yunwei.paths import content_root

ROOT = content_root()
HOST_CODE = ROOT / "module_utils" / "yunwei_restore"
# Why a drill has code that a recovery has not; everything else must be the same.
DRILL_ONLY = {
    "it makes a server of its own, with roles from nothing, and takes away what that left": """
        databases.make_scratch_server globals_plan.fresh globals_plan.superuser instance._SETTINGS instance._log_tail
        instance._owner instance._settings instance.create instance.start destroy._remove_shared_memory""",
    "it starts the application itself, where a recovery starts services; its port must be closed afterwards": """
        application._below application._log application._owner application._program application._server
        application._socket_group application.log_tail application.start destroy.port_of""",
    "its host must be empty, outside production and cut off from it": """
        preflight.CONNECT_SECONDS preflight._databases preflight._production preflight._reachable preflight._try""",
}


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


def _code() -> Code:
    return Code(HOST_CODE, (ROOT / "library").glob("restore_*.py"))


def test_host_code_has_no_way_that_only_a_drill_goes_but_those_listed():
    code = _code()
    drill, recovery = code.reached("drill"), code.reached("recover")
    assert {"load.data", "extract.extract", "proof.Proof", "fetch.run"} <= drill & recovery
    assert drill - recovery == {name for names in DRILL_ONLY.values() for name in names.split()}


def test_host_code_asks_for_the_mode_only_where_it_can_be_decided():
    assert _code().undecided() == ["glue.JOBS"]


@pytest.mark.parametrize(
    ("body", "drill_only", "undecided"),
    [
        ("own() if unit['mode'] == 'drill' else None", True, False),
        ("\n if unit['mode'] != 'drill':\n  return 1\n return own()", True, False),
        ("\n with x:\n  if unit['mode'] == 'recover':\n   raise x\n  own()", True, False),
        ("\n drill = unit['mode'] == 'drill'\n return drill and own()", True, False),
        ("\n if not (x.state.get('mode') == 'recover' or unit['part']):\n  [own]", True, False),
        ("unit['mode'] == 'recover' or own()", True, False),
        ("own() if unit['part'] or unit['mode'] == 'drill' else None", False, False),
        ("own() if unit['mode'] == 'recover' else own()", False, False),
        ("own() if unit['mode'] in ('drill',) else None", False, True),
        ("{'drill': own}.get(unit['mode'])", False, True),
        ("own() if permit['job'] == 'drill-restore' else None", False, True),
    ],
)
def test_a_way_that_only_a_drill_goes_is_seen(tmp_path: Path, body: str, drill_only: bool, undecided: bool):
    package = tmp_path / "package"
    package.mkdir()
    (package / "step.py").write_text(f"def own(): pass\ndef run(unit): {body}\n")
    (tmp_path / "restore_step.py").write_text("from package import step\ndef main():\n  step.run({})\n")
    code = Code(package, [tmp_path / "restore_step.py"])
    assert code.reached("drill") - code.reached("recover") == ({"step.own"} if drill_only else set())
    assert code.undecided() == (["step.run"] if undecided else [])
