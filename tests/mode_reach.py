"""Which functions of the restore's host code a drill can reach and which a recovery: read from the syntax trees.

Whatever asks for the mode must do so in a comparison that can be decided here; see `undecided`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

MODES = ("drill", "recover")
WORDS = {*MODES, "drill-restore", "recover-system"}
_ENDS = (ast.Return, ast.Raise)


class Code:
    """The modules of a package and the programs that call them, by name: `module.function`, `module.Class`."""

    def __init__(self, package: Path, programs: Iterable[Path]) -> None:
        paths = [*sorted(package.glob("*.py")), *sorted(programs)]
        trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
        self.programs = [path.stem for path in paths if path.parent != package]
        self._known = {stem: _imported(tree, set(trees)) for stem, tree in trees.items()}
        self.nodes: dict[str, ast.AST] = {}
        for stem, tree in trees.items():
            for node in tree.body:
                for name in _defined(node):
                    self.nodes[f"{stem}.{name}"] = node
                    self._known[stem][name] = f"{stem}.{name}"

    def reached(self, mode: str) -> set[str]:
        """Return what the programs can come to in this mode; a class stands for all its methods."""
        found: set[str] = set()
        waiting = [f"{program}.main" for program in self.programs]
        while waiting:
            name = waiting.pop()
            if name in self.nodes and name not in found:
                found.add(name)
                walk = _Walk(mode, self._known[name.split(".", 1)[0]])
                walk.visit(self.nodes[name])
                waiting += walk.names
        return found

    def undecided(self) -> list[str]:
        """Return where a mode is named outside of a comparison that can be decided."""
        found = []
        for name, node in self.nodes.items():
            parts = list(ast.walk(node))
            named = [one for one in parts if isinstance(one, ast.Constant) and one.value in WORDS]
            decided = [one for one in parts if isinstance(one, ast.Compare) and _decide(one, MODES[0], {}) is not None]
            if len(named) != len(decided):
                found.append(name)
        return sorted(found)


class _Walk(ast.NodeVisitor):
    """Collects the names of the package that a piece of code uses in one mode, past what this mode does not run."""

    def __init__(self, mode: str, known: Mapping[str, str]) -> None:
        self._mode, self._known = mode, known
        self._flags: dict[str, bool | None] = {}
        self.names: list[str] = []

    def visit_Name(self, node: ast.Name) -> None:
        self.names.append(self._known.get(node.id, ""))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in self._known:
            self.names.append(f"{self._known[node.value.id]}.{node.attr}")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._flags[target.id] = self._is(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._block(node.body)

    def visit_If(self, node: ast.If) -> None:
        self._choose(node.test, node.body, node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._choose(node.test, [node.body], [node.orelse])

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for value in node.values:
            self.visit(value)
            if self._is(value) is isinstance(node.op, ast.Or):
                return

    def generic_visit(self, node: ast.AST) -> None:
        for _field, value in ast.iter_fields(node):
            self._block(value if isinstance(value, list) else [value])

    def _choose(self, test: ast.expr, body: Iterable[ast.AST], otherwise: Iterable[ast.AST]) -> None:
        self.visit(test)
        decided = self._is(test)
        if decided is not False:
            self._block(body)
        if decided is not True:
            self._block(otherwise)

    def _block(self, nodes: Iterable[object]) -> None:
        for node in nodes:
            if isinstance(node, ast.AST):
                self.visit(node)
            if isinstance(node, ast.If) and self._is(node.test) is True and isinstance(node.body[-1], _ENDS):
                return

    def _is(self, node: ast.AST) -> bool | None:
        return _decide(node, self._mode, self._flags)


def _decide(node: ast.AST, mode: str, flags: Mapping[str, bool | None]) -> bool | None:
    """Return what an expression is in this mode, None where the mode alone does not say."""
    if isinstance(node, ast.Name):
        return flags.get(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        found = _decide(node.operand, mode, flags)
        return None if found is None else not found
    if isinstance(node, ast.BoolOp):
        parts = [_decide(value, mode, flags) for value in node.values]
        strong = isinstance(node.op, ast.Or)
        return strong if strong in parts else None if None in parts else not strong
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and _is_mode(node.left)):
        return None
    asked, operator = node.comparators[0], node.ops[0]
    if not (isinstance(asked, ast.Constant) and asked.value in MODES and isinstance(operator, ast.Eq | ast.NotEq)):
        return None
    return (asked.value == mode) is isinstance(operator, ast.Eq)


def _is_mode(node: ast.AST) -> bool:
    """Tell whether this reads the mode of a unit of work: `unit["mode"]` or `state.get("mode")`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        key: ast.AST = node.args[0]
    elif isinstance(node, ast.Subscript):
        key = node.slice
    else:
        return False
    return isinstance(key, ast.Constant) and key.value == "mode"


def _defined(node: ast.AST) -> list[str]:
    """Return the names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _imported(tree: ast.Module, stems: set[str]) -> dict[str, str]:
    """Return {local name: `module` or `module.name`} of what a module imports from the package."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            home = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                whole = f"{home}.{alias.name}" if home in stems else alias.name
                if whole.split(".", 1)[0] in stems:
                    found[alias.asname or alias.name] = whole
    return found
