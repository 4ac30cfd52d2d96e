"""Only the target module and its parts know which programs store: the code of nothing else names them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from yunwei.paths import content_root

ROOT = content_root()
STORES = re.compile(r"restic|rclone", re.IGNORECASE)
PARTS = {
    f"module_utils/yunwei_host/{name}.py" for name in ("remote", "repository", "restic", "resticlock", "resticstream")
}
# The lab makes hosts, and names the packages that they need; a restart waits for anybody's backup, by hand as well.
OTHERS = ("yunwei/lab/", "module_utils/yunwei_restart/busy.py")


def _sources() -> list[str]:
    places = ("library", "module_utils", "playbooks", "plugins", "yunwei")
    names = [str(path.relative_to(ROOT)) for place in places for path in (ROOT / place).rglob("*.py")]
    return sorted(name for name in names if not name.startswith(OTHERS))


def _words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every name, import and text of the code; not what a docstring explains to people."""
    explained = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explained:
            yield line, node.value
        elif isinstance(node, ast.Name):
            yield line, node.id
        elif isinstance(node, ast.Attribute):
            yield line, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield line, f"{node.module} {' '.join(name.name for name in node.names)}"
        elif isinstance(node, ast.Import):
            yield line, " ".join(name.name for name in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield line, node.name


def _named(name: str) -> list[str]:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    return [f"{name}:{line}: {word}" for line, word in _words(tree) if STORES.search(word)]


def test_the_parts_are_all_there_and_name_them() -> None:
    assert set(_sources()) >= PARTS
    assert all(_named(name) for name in PARTS)


@pytest.mark.parametrize("name", _sources())
def test_nothing_else_names_them(name: str) -> None:
    if name not in PARTS:
        assert _named(name) == []


def test_the_parts_are_used_only_through_their_doors() -> None:
    """`target` for copies, `repository` for a site's own, `remote` for reading a site; the rest is theirs alone."""
    inner = re.compile(
        r"^\s*from \.?\S* ?import .*\b(restic|resticlock|resticstream)\b|from \.(restic\w*) import", re.M
    )
    users = {name for name in _sources() if inner.search(Path(ROOT / name).read_text(encoding="utf-8"))}
    assert users <= PARTS
