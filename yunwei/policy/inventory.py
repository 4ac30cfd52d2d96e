"""The hosts of an Ansible inventory folder: `hosts.yml`, `group_vars/`, `host_vars/`, read as plain YAML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yunwei.policy.problems import Problem, shown
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.yaml_files import read_mapping

_GROUP_KEYS = ("hosts", "children", "vars")


@dataclass(frozen=True)
class Host:
    """A host with its groups (parents first) and the variables that they and it are given."""

    name: str
    groups: tuple[str, ...]
    variables: dict[str, Any]

    @property
    def address(self) -> str:
        """Return where SSH reaches it."""
        return str(self.variables.get("ansible_host", self.name))

    @property
    def port(self) -> int:
        """Return its SSH port."""
        return int(self.variables.get("ansible_port", 22))


@dataclass(frozen=True)
class Assignment:
    """A variable and where it is set."""

    file: str
    path: str
    name: str
    value: object


@dataclass
class Inventory:
    """What was read: hosts by name, all groups, every variable's place, and the problems of reading."""

    hosts: dict[str, Host] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    assignments: list[Assignment] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Group:
    hosts: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    variables: dict[str, Any] = field(default_factory=dict)


class _Reader:
    """Collects groups and variables while the files are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.groups: dict[str, _Group] = {"all": _Group()}
        self.host_variables: dict[str, dict[str, Any]] = {}
        self.found = Inventory()

    def read(self) -> Inventory:
        content, problems = read_mapping(self.folder / "hosts.yml", "hosts.yml")
        self.found.problems += problems
        for name, group in content.items():
            self._group(str(name), group, (str(name),), None)
        group_files = self._variable_files("group_vars", self.groups)
        host_files = self._variable_files("host_vars", self.host_variables)
        for name in self.host_variables:
            self.found.hosts[name] = self._host(name, group_files, host_files)
        self.found.groups = set(self.groups)
        return self.found

    def _group(self, name: str, content: object, path: tuple[str, ...], parent: str | None) -> None:
        group = self.groups.setdefault(name, _Group())
        if parent is not None:
            group.parents.add(parent)
        for key, value in self._mapping(content, path).items():
            here = (*path, str(key))
            if key == "hosts":
                for host, variables in self._mapping(value, here).items():
                    group.hosts.add(str(host))
                    own = self._mapping(variables, (*here, str(host)))
                    self.host_variables.setdefault(str(host), {}).update(
                        self._assign("hosts.yml", (*here, str(host)), own)
                    )
            elif key == "children":
                for child, inner in self._mapping(value, here).items():
                    self._group(str(child), inner, (*here, str(child)), name)
            elif key == "vars":
                group.variables.update(self._assign("hosts.yml", here, self._mapping(value, here)))
            else:
                hint = did_you_mean(key, _GROUP_KEYS)
                self._problem("hosts.yml", here, "an unknown key, which Ansible skips", ", ".join(_GROUP_KEYS), hint)

    def _mapping(self, value: object, path: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(value, dict) or value is None:
            return value or {}
        self._problem("hosts.yml", path, shown(value), "a mapping")
        return {}

    def _assign(self, file: str, path: tuple[str, ...], variables: dict[str, Any]) -> dict[str, Any]:
        for name, value in variables.items():
            self.found.assignments.append(Assignment(file, ".".join((*path, str(name))), str(name), value))
        return variables

    def _problem(self, file: str, path: tuple[str, ...], found: str, allowed: str, hint: str | None = None) -> None:
        self.found.problems.append(Problem(file, ".".join(path), found, allowed, hint))

    def _variable_files(self, kind: str, known: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the variables below `group_vars/` or `host_vars/` by group or host."""
        merged: dict[str, dict[str, Any]] = {}
        for owner, file in _files_below(self.folder / kind):
            shown_as = str(file.relative_to(self.folder))
            if owner not in known:
                what = "group" if kind == "group_vars" else "host"
                hint = did_you_mean(owner, known)
                self._problem(
                    shown_as, (), f"variables of '{owner}', which is no {what} of hosts.yml", f"a {what}'s name", hint
                )
            variables, problems = read_mapping(file, shown_as)
            self.found.problems += problems
            merged.setdefault(owner, {}).update(self._assign(shown_as, (), variables))
        return merged

    def _host(self, name: str, group_files: dict[str, dict[str, Any]], host_files: dict[str, dict[str, Any]]) -> Host:
        """Merge in Ansible's order: groups in the inventory file, group_vars, host in the file, host_vars."""
        groups = self._groups_of(name)
        variables: dict[str, Any] = {}
        for group in groups:
            variables.update(self.groups[group].variables)
        for group in groups:
            variables.update(group_files.get(group, {}))
        variables.update(self.host_variables[name])
        variables.update(host_files.get(name, {}))
        return Host(name, tuple(groups), variables)

    def _groups_of(self, host: str) -> list[str]:
        """Return the host's groups, a parent always before its children."""
        depths: dict[str, int] = {"all": 0}
        for group, content in self.groups.items():
            if host in content.hosts:
                self._climb(group, depths, ())
        return sorted(depths, key=lambda group: (depths[group], group))

    def _climb(self, group: str, depths: dict[str, int], below: tuple[str, ...]) -> int:
        """Note a group and all above it with their depth below `all`; a group inside itself is cut."""
        if group == "all" or group in below:
            return 0
        parents = self.groups[group].parents
        depth = 1 + max((self._climb(parent, depths, (*below, group)) for parent in parents), default=0)
        depths[group] = max(depth, depths.get(group, 0))
        return depth


def read_inventory(folder: Path) -> Inventory:
    """Read the hosts and their variables; problems are in the result."""
    return _Reader(folder).read()


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (group or host, file) as Ansible pairs them: `<name>.yml`, `<name>` or any file in the folder `<name>/`."""
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir():
            yield from ((entry.name, file) for file in sorted(entry.rglob("*")) if file.suffix in (".yml", ".yaml"))
        elif entry.suffix in (".yml", ".yaml", ".json", ""):
            yield entry.stem, entry
