"""Restores file sets: below the work folder in a drill, at their own place or into a folder in a recovery."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os

from . import extract, glue, in_the_way
from .manifest import Manifest


def run(unit, host, report, work):
    """Restore every file set that `host` receives, or the files asked for; returns whether anything changed."""
    items = glue.items_here(unit, host, "files")
    if not items:
        return False
    pattern, root = unit["part"]["files"], root_of(unit, work)
    _make_root(root)
    with report.phases.run("load") as phase:
        phase.bytes, count = 0, 0
        for item in items:
            state = work.fetched(item["item"])
            entries = extract.chosen(Manifest(state["manifest"], item["item"]).files(item["paths"]), pattern)
            if unit["mode"] == "recover" and not pattern:
                moved = in_the_way.set_aside(unit, item)
                report.facts.setdefault("safety_copies", []).extend(new for _old, new in moved)
            phase.bytes += extract.extract(entries, state["paths"], root, item["item"])
            count += len(entries)
    report.facts["restored_entries"] = count
    return True


def root_of(unit, work):
    """Return the folder below which the absolute paths of the backup are put."""
    if unit["mode"] == "drill":
        return work.part("files")
    return unit["part"]["into_dir"] or "/"


def _make_root(root):
    if not os.path.isdir(root):
        os.makedirs(root, 0o755)
    if root != "/":
        os.chmod(root, 0o755)  # noqa: S103 - the owners of what is below must pass
