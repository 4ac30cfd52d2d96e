"""The built wheel works where there is no checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from yunwei.paths import content_root

pytestmark = pytest.mark.lab


def _run(*command: str, cwd: Path, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("YUNWEI_", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env={**clean, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_the_wheel_plans_a_backup_from_an_empty_environment_elsewhere(lab, tmp_path):
    root = content_root()
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist"), cwd=root)
    (wheel,) = (tmp_path / "dist").glob("yunwei-*.whl")
    _run(sys.executable, "-m", "venv", str(tmp_path / "venv"), cwd=tmp_path)
    pip = (str(tmp_path / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "-r", str(root / "requirements.lock"), cwd=tmp_path)
    _run(*pip, "--no-deps", str(wheel), cwd=tmp_path)
    command = str(tmp_path / "venv/bin/yunwei")
    path = f"{tmp_path / 'venv/bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
    shown = _run(
        command,
        "plan",
        "back-up",
        "--now",
        "-i",
        str(lab.inventory),
        "--json",
        cwd=tmp_path,
        YUNWEI_STATE=str(tmp_path / "state"),
        PATH=path,
    )
    assert '"would back up"' in shown
    assert str(root) not in _run(command, "list", "jobs", "--json", cwd=tmp_path, PATH=path)
