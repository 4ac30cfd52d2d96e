"""Kernel settings are really written and put back, in a network of the test's own; a full disk hinders no return."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "net.ipv4.conf.all.accept_redirects"
# Runs in namespaces of its own, where /proc/sys/net and a tmpfs are this test's alone.
_DRIVER = """
import json, os, sys
sys.path[:0] = [{root!r}, {root!r} + "/module_utils"]
from pathlib import Path
from tests.harden_world import World, rule, setting, AGE, EMPTY
world = World(Path({folder!r}))
"""


def alone(script: str, folder: Path, *, before: str = "true") -> dict[str, object]:
    """Run a script for a `World` below `folder` with a network and mounts of its own; return what it prints as JSON."""
    program = _DRIVER.format(root=str(ROOT), folder=str(folder)) + script
    command = f'{before} && exec {sys.executable} -c "$0"'
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", command, program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    assert tried.returncode == 0, "needs root: ./check becomes root"


def test_a_kernel_setting_comes_into_force_and_goes_back(tmp_path: Path):
    script = f"""
import shutil
shutil.rmtree(world.root / "proc")
os.symlink("/proc", world.root / "proc")
path = "/proc/sys/{NAME.replace(".", "/")}"
open(path, "w").write("1")
world.rules = [rule("redirects", setting("sysctl", "{NAME}", "0"))]
world.confirmed()
during = open(path).read().strip()
again = world.harden("r-20260302T013000-bbbbbb")[1]
world.undo()
print(json.dumps([during, again, open(path).read().strip()]))
"""
    assert alone(script, tmp_path) == ["0", False, "1"]


def test_a_full_disk_does_not_keep_the_host_from_taking_a_change_back(tmp_path: Path):
    script = """
from yunwei_harden import guard
guard.start = lambda *_: None
before = world.picture()
world.rules = [AGE, EMPTY]
world.harden()
changed = world.picture() != before
fill = os.open(str(world.root / "fill"), os.O_WRONLY | os.O_CREAT)
size = 65536
while size:
    try:
        os.write(fill, b"x" * size)
    except OSError:
        size //= 2
try:
    world.write("more", "x")
    full = False
except OSError:
    full = True
code = world.guard("boot").returncode
print(json.dumps([changed, full, code, world.state(), world.picture() == before]))
"""
    mount = f"mount -t tmpfs -o size=256k,mode=0755 none {tmp_path}"
    assert alone(script, tmp_path, before=mount) == [True, True, 0, "reverted", True]
