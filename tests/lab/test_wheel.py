"""The built wheel works where there is no checkout."""

import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from yunwei.paths import content_root

pytestmark = pytest.mark.lab


def _run(*command: str, cwd: Path, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("YUNWEI_", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env={**clean, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _wanted_by(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])


def _needed(wanted: list[str], found: set[str]) -> set[str]:
    """Add to `found` what these requirements need to run, at any depth: no extra, so nothing that only tests use."""
    for need in map(Requirement, wanted):
        name = canonicalize_name(need.name)
        if (need.marker is None or need.marker.evaluate({"extra": ""})) and name not in found:
            found.add(name)
            _needed(requires(name) or [], found)
    return found


def _locked(lock: Path, names: set[str]) -> str:
    """Return the lines of a lock file that pin these distributions."""
    pins = re.split(r"^(?=\w)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return "".join(pin for pin in pins if canonicalize_name(pin.partition("==")[0]) in names)


def test_the_wheel_plans_a_backup_from_an_empty_environment_elsewhere(lab, tmp_path):
    root = content_root()
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist"), cwd=root)
    (wheel,) = (tmp_path / "dist").glob("yunwei-*.whl")
    _run(sys.executable, "-m", "venv", str(tmp_path / "venv"), cwd=tmp_path)
    pip = (str(tmp_path / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check")
    (tmp_path / "needed.lock").write_text(_locked(root / "requirements.lock", _needed(_wanted_by(wheel), set())))
    _run(*pip, "--no-compile", "--require-hashes", "-r", "needed.lock", cwd=tmp_path)
    _run(*pip, "--no-deps", str(wheel), cwd=tmp_path)
    _run(str(tmp_path / "venv/bin/pip"), "check", cwd=tmp_path)
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
