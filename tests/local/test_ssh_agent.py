"""The agent of a session looks every ten seconds whether its owner lives."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

import pytest


@pytest.fixture
def short_path():
    """A folder whose name leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield folder


def test_an_agent_dies_with_its_owner(short_path):
    code = (
        "import sys, os; sys.path.insert(0, 'module_utils')\n"
        "from yunwei_host import sshagent, rundir\n"
        f"folder = rundir.make_run_folder('s', {short_path!r})\n"
        "access = sshagent.SshAccess(folder, [])\n"
        "print(folder, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1)
    folder = owner.stdout.readline().decode().strip()
    assert folder
    owner.kill()
    owner.communicate()
    for _ in range(150):
        if subprocess.run(["pgrep", "-f", folder], capture_output=True, check=False).returncode:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the agent lives on")
