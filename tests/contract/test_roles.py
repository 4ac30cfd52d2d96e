"""Conventions that hold in every role and playbook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from yunwei.jobs import all_jobs
from yunwei.paths import content_root

ROOT = content_root()
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TASK_FILES = sorted(
    [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/*.yml")]
)
OWN_ACTIONS = {path.stem for path in (ROOT / "library").glob("*.py")} | {
    path.stem for path in (ROOT / "plugins" / "action").glob("*.py")
}


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def _tasks(node: Any) -> Iterator[dict[str, Any]]:
    for entry in node or []:
        nested = [
            entry[key]
            for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always", "handlers")
            if key in entry
        ]
        for part in nested:
            yield from _tasks(part)
        if not nested:
            yield entry


def _all_tasks() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in TASK_FILES:
        for task in _tasks(_load(path)):
            yield path, task


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_specified_and_carry_the_role_name(role: Path):
    defaults = _load(role / "defaults" / "main.yml") or {}
    specs = _load(role / "meta" / "argument_specs.yml")["argument_specs"]
    options = {name for spec in specs.values() for name in spec.get("options", {})}
    assert set(defaults) <= options
    assert [name for name in options if not name.startswith(f"{role.name}_")] == []


def test_registered_and_set_facts_are_private_to_their_role():
    wrong = []
    for path, task in _all_tasks():
        owner = path.parent.parent.name if "roles" in path.parts else "playbook"
        names = [task["register"]] if "register" in task else []
        names += [name for name in task.get("ansible.builtin.set_fact", {}) if name != "cacheable"]
        wrong += [f"{path.name}: {name}" for name in names if not name.startswith(f"__{owner}_")]
    assert wrong == []


def test_every_refusal_says_why():
    silent = [
        f"{path}: {task.get('name')}"
        for path, task in _all_tasks()
        for action in ("ansible.builtin.assert", "ansible.builtin.fail")
        if action in task and not (task[action] or {}).get("fail_msg", (task[action] or {}).get("msg"))
    ]
    assert silent == []


def test_commands_say_when_they_change_something():
    silent = [
        f"{path}: {task.get('name')}"
        for path, task in _all_tasks()
        for action in ("ansible.builtin.command", "ansible.builtin.shell", "ansible.builtin.raw")
        if action in task and "changed_when" not in task
    ]
    assert silent == []


def test_nothing_switches_a_safety_off():
    forbidden = (
        "ignore_errors",
        "validate_certs: false",
        "host_key_checking = False",
        "StrictHostKeyChecking=no",
        "disable_gpg_check",
    )
    files = [
        *TASK_FILES,
        *ROOT.glob("roles/*/defaults/*.yml"),
        *ROOT.glob("inventories/**/*.yml"),
        ROOT / "ansible.cfg",
    ]
    found = [f"{path}: {word}" for path in files for word in forbidden if word in path.read_text(encoding="utf-8")]
    assert found == []


def test_secrets_are_never_logged():
    open_tasks = [
        f"{path}: {task.get('name')}"
        for path, task in _all_tasks()
        if "secrets" in str({key: value for key, value in task.items() if key in OWN_ACTIONS})
        and task.get("no_log") is not True
        and not _module_hides_secrets(task)
    ]
    assert open_tasks == []


def _module_hides_secrets(task: dict[str, Any]) -> bool:
    name = next(iter(OWN_ACTIONS & set(task)), None)
    source = (ROOT / "library" / f"{name}.py").read_text(encoding="utf-8") if name else ""
    return bool("secrets" in source and "no_log=True" in source.replace('"no_log": True', "no_log=True"))


def test_every_module_takes_part_in_check_mode():
    modules = sorted((ROOT / "library").glob("*.py"))
    assert modules
    silent = [path.name for path in modules if "supports_check_mode=True" not in path.read_text(encoding="utf-8")]
    assert silent == []


def test_every_module_of_a_job_that_can_be_approved_is_called_through_its_permit_and_the_gate_s_work():
    """A module with an action plugin of its own name cannot be called around it."""
    planned = {job.name for job in all_jobs().values() if job.planned}
    modules = [path for path in (ROOT / "library").glob("*.py") if planned & set(_jobs_of(path))]
    restarts = {"restart_facts", "host_restart", "restart_proof"}
    assert {path.stem for path in modules} >= {"log_files_retire", "repository_retire", "hardening_apply", *restarts}
    plugins = [ROOT / "plugins" / "action" / path.name for path in modules]
    held = ("(PermittedAction)", "permits.require_permitted(")
    assert [plugin.name for plugin in plugins if not any(words in _text(plugin) for words in held)] == []


def _jobs_of(module: Path) -> list[str]:
    """Return the jobs whose permit a module takes."""
    named = re.search(r"acting\.act\(module, (\[[^\]]*\])", module.read_text(encoding="utf-8"))
    return list(yaml.safe_load(named[1])) if named else []


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
