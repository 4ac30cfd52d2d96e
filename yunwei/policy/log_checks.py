"""The log rules of a system against each other and the inventory: what the structure of one rule does not show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from yunwei.policy.draft import Draft, mapping, number, sequence, text
from yunwei.policy.inventory import Inventory
from yunwei.policy.logs import PROTECTED
from yunwei.policy.problems import Problem
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import System

Place = tuple[str | int, ...]
_TRIGGERS = ("after_days", "max_bytes", "until_free")
_NO_LOGS = ("/dev", "/proc", "/sys")


def check_logs(draft: Draft[System], inventory: Inventory) -> Iterator[Problem]:
    """Yield the problems of one system's log rules."""
    names = Counter(name for _, rule in draft.each("logs") if (name := text(rule, "name")) is not None)
    for name, count in names.items():
        if count > 1:
            yield draft.problem(("logs",), f"the name '{name}' {count} times", "each name once in a system")
    for place, rule in draft.each("logs"):
        yield from _hosts(draft, place, rule, inventory)
        yield from _path(draft, place, rule)
        yield from _what_goes(draft, place, rule)


def _hosts(draft: Draft[System], place: Place, rule: Mapping[str, Any], inventory: Inventory) -> Iterator[Problem]:
    own = [str(name) for name in mapping(draft.content, "hosts")]
    for index, name in enumerate(sequence(rule, "hosts")):
        where = (*place, "hosts", index)
        if isinstance(name, str) and name not in own:
            yield draft.problem(where, repr(name), ", ".join(own), did_you_mean(name, own))
        host = inventory.hosts.get(str(name))
        if host is not None and host.variables.get("ansible_connection") in ("psrp", "winrm"):
            yield draft.problem(where, f"'{name}', a Windows host", "hosts that are reached by SSH")


def _path(draft: Draft[System], place: Place, rule: Mapping[str, Any]) -> Iterator[Problem]:
    path = text(rule, "path")
    if path is None:
        return
    parts = PurePosixPath(path).parts
    protected = sorted(PROTECTED & {part.lower() for part in parts})
    if protected:
        hint = "Queues of TongLINK/Q and PostgreSQL's own folders hold data, whatever their names say."
        yield draft.problem((*place, "path"), f"a path through '{protected[0]}'", "a folder of logs", hint)
    elif len(parts) == 2 or any(PurePosixPath(path).is_relative_to(top) for top in _NO_LOGS):
        yield draft.problem((*place, "path"), repr(path), "a folder of logs, two levels below / at least")


def _what_goes(draft: Draft[System], place: Place, rule: Mapping[str, Any]) -> Iterator[Problem]:
    if not rule.get("profile") and not rule.get("patterns"):
        yield draft.problem(place, "neither a profile nor patterns", "at least one: no rule takes every file")
    if not any(rule.get(key) for key in _TRIGGERS):
        yield draft.problem(place, "none of " + ", ".join(_TRIGGERS), "at least one: it says when a file goes")
    keep, after = number(rule, "keep_days"), number(rule, "after_days")
    if keep is not None and after is not None and after < keep:
        allowed = f"{keep} or more: keep_days is the floor"
        yield draft.problem((*place, "after_days"), str(after), allowed)
    if rule.get("kind") == "local_backup" and (number(rule, "keep_newest") or 0) < 1:
        allowed = "at least 1 for local_backup: the newest never goes"
        yield draft.problem((*place, "keep_newest"), str(number(rule, "keep_newest") or 0), allowed)
