"""Misspelt role variables: Ansible skips a variable that no role knows, without a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from yunwei.policy.inventory import Assignment
from yunwei.policy.problems import Problem
from yunwei.policy.suggest import nearest
from yunwei.policy.yaml_files import read_mapping

_CONNECTION = (
    "ansible_host", "ansible_port", "ansible_user", "ansible_password", "ansible_connection", "ansible_become",
    "ansible_become_method", "ansible_become_user", "ansible_python_interpreter", "ansible_ssh_common_args",
    "ansible_ssh_extra_args", "ansible_ssh_private_key_file", "ansible_pipelining", "ansible_ssh_transfer_method",
)  # fmt: skip
# Variables of one role are alike by their prefix: what differs by a whole word is below the first, what differs by a
# letter or two is above the second.
_ALIKE, _SLIP = 0.8, 0.88


@cache  # roles do not change while a program runs
def role_interfaces(roles: Path) -> dict[str, set[str]]:
    """Return the public variables of each role, from every entry point of its `meta/argument_specs.yml`."""
    interfaces: dict[str, set[str]] = {}
    for spec in sorted(roles.glob("*/meta/argument_specs.yml")):
        content, _ = read_mapping(spec, str(spec))
        variables = interfaces.setdefault(spec.parent.parent.name, set())
        for entry_point in (content.get("argument_specs") or {}).values():
            variables.update((entry_point or {}).get("options") or {})
    return interfaces


def misspelt(assignments: Iterable[Assignment], roles: Mapping[str, set[str]]) -> list[Problem]:
    """Return a problem for every variable that looks like a role's but is in no role's specification."""
    known = {variable for variables in roles.values() for variable in variables}
    found = ((one, _problem(one, roles, known)) for one in assignments if one.name not in known)
    return [problem for _, problem in found if problem is not None]


def _problem(one: Assignment, roles: Mapping[str, set[str]], known: set[str]) -> Problem | None:
    owners = [role for role in roles if one.name.startswith(f"{role}_")]
    if owners:
        role = max(owners, key=len)
        near = nearest(one.name, known, _ALIKE)
        hint = f"Did you mean '{near}'?" if near else None
        found = f"a variable that role {role} does not know"
        return Problem(one.file, one.path, found, ", ".join(sorted(roles[role])) or "none", hint)
    near = nearest(one.name, {*known, *_CONNECTION}, _SLIP)
    if near is None or one.name in _CONNECTION:
        return None
    return Problem(one.file, one.path, "a variable that nothing reads", near, f"Did you mean '{near}'?")
