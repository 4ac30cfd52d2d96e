"""YAML read strictly: no key twice, every fault with its place."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from yunwei.policy.problems import Problem, key_path

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class _StrictLoader(_Loader):  # type: ignore[misc]
    """The safe loader, with Ansible's own tags read as text."""


def _as_text(loader: Any, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


for _tag in ("!vault", "!unsafe"):
    _StrictLoader.add_constructor(_tag, _as_text)


def read_mapping(path: Path, shown_as: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the mapping of a YAML file and the problems of reading it.

    `shown_as` is the file's name in problems. With problems the mapping may be empty or partial.
    """
    try:
        return parse_mapping(path.read_bytes(), shown_as)
    except OSError as error:
        return {}, [Problem(shown_as, "", f"a file that cannot be read ({error.strerror})", "a readable YAML file")]


def parse_mapping(content: bytes, shown_as: str) -> tuple[dict[str, Any], list[Problem]]:
    """Return the mapping that the bytes of a YAML file hold, as `read_mapping` does."""
    try:
        data, doubles = _parse(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a day such as 2026-13-01 is a ValueError
        return {}, [_malformed(error, shown_as)]
    if not isinstance(data, dict):
        kind = "nothing" if data is None else f"a {type(data).__name__}"
        return {}, [Problem(shown_as, "", kind, "a mapping of keys to values")]
    return data, [_twice(shown_as, where, lines) for where, lines in doubles]


def _parse(content: bytes) -> tuple[Any, list[tuple[str, tuple[int, int]]]]:
    loader = _StrictLoader(content)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, []
        doubles = list(_doubles(node, (), set()))
        return loader.construct_document(node), doubles
    finally:
        loader.dispose()


def _doubles(node: yaml.Node, path: tuple[str | int, ...], seen: set[int]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the path of every key that stands twice in its mapping, with both lines.

    On the way every key is made text: YAML 1.1 reads `on` and `no` as booleans, `12` as a number.
    """
    if id(node) in seen:  # an alias may point at itself
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _doubles(child, (*path, index), seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[Hashable, int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                name = str(key.value)
                if key.tag != _MERGE:
                    key.tag = _TEXT
                if name in lines:
                    yield key_path((*path, name)), (lines[name], line)
                lines[name] = line
                yield from _doubles(child, (*path, name), seen)


def _twice(file: str, path: str, lines: tuple[int, int]) -> Problem:
    return Problem(
        file, path, f"the key twice (lines {lines[0]} and {lines[1]})", "each key once", "Delete or rename one of them."
    )


def _malformed(error: Exception, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    reason = " ".join(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split())
    hint = "Look at this line and the one before." if mark else "Put days, numbers and texts that are odd in quotes."
    return Problem(file, where, f"malformed YAML ({reason})", "well-formed YAML", hint)
