"""Carries files from one host to another through the controller's memory; neither host knows the other.

For targets that cannot read a repository themselves: restic does not run on the oldest systems.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from yunwei.errors import CouldNotJudgeError, RefusedError

# After the inventory's own arguments ssh would ignore these: the first value counts, so they come before.
_ALWAYS = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=15", "-T")
_REMEMBERED = "/var/lib/yunwei/locks"
_WORDS = ("ansible_ssh_common_args", "ansible_ssh_extra_args")


def ssh_command(name: str, variables: Mapping[str, Any]) -> list[str]:
    """Return the vector that reaches a host of the inventory as Ansible's ssh connection does.

    Args:
        name: the host's name in the inventory.
        variables: its variables, templated.
    """
    command = ["ssh", *_ALWAYS]
    for variable in _WORDS:
        command += shlex.split(str(variables.get(variable) or ""))
    key = variables.get("ansible_ssh_private_key_file") or variables.get("ansible_private_key_file")
    command += ["-i", str(key)] if key else []
    command += ["-p", str(variables.get("ansible_port") or 22)]
    user = variables.get("ansible_user")
    command += ["-l", str(user)] if user else []
    return [*command, str(variables.get("ansible_host") or name)]


def moved(path: str, old: str, new: str) -> str:
    """Return the path of a file right in folder `old` as it is right in folder `new`.

    Raises `CouldNotJudgeError` for any other path: a host may not name what it likes.
    """
    place = PurePosixPath(path)
    if str(place.parent) != old or place.name in ("", "..") or str(place) != path:
        raise CouldNotJudgeError(f"a file was named that is not in {old}: {path!r}")
    return f"{new}/{place.name}"


def read_file(source: Sequence[str], path: str) -> bytes:
    """Return a small file of a host, read as root.

    Raises `CouldNotJudgeError` where that fails.
    """
    done = subprocess.run([*source, f"sudo -n cat {shlex.quote(path)}"], capture_output=True, check=False)
    _require(done.returncode, done.stderr, f"reading {path}")
    return done.stdout


def demand_newest(target: Sequence[str], host: str, system: str, permit: Mapping[str, Any]) -> None:
    """Raise `RefusedError` unless this run is the one that acted last on the target for the system.

    The step before this one has made the target remember the run's lock number (`yunwei_host.fence`), so another one
    there is that of a run which has overtaken this one. `CouldNotJudgeError` where the target remembers none.
    """
    newest = json.loads(read_file(target, f"{_REMEMBERED}/{system}.json"))
    number, series = permit["locks"].get(system), permit["lock_series"].get(system)
    if (newest["number"], newest["series"][-1]) != (number, series):
        raise RefusedError(
            f"run {permit['run_id']} has lock number {number} of system {system}, but run {newest['run_id']} "
            f"(job {newest['job']}) has acted on {host} with number {newest['number']}, at {newest['time']}. "
            f"Start the job again"
        )


def copy_file(source: Sequence[str], path: str, target: Sequence[str], new: str) -> None:
    """Copy `path` of one host to `new` of another, as root, mode 0600; it must not be there yet.

    Raises `CouldNotJudgeError` where either side fails.
    """
    write = f"sudo -n sh -c {shlex.quote(f'umask 077; set -C; cat > {shlex.quote(new)}')}"
    pipe = subprocess.PIPE
    reader = subprocess.Popen(
        [*source, f"sudo -n cat {shlex.quote(path)}"], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    writer = subprocess.Popen([*target, write], stdin=reader.stdout, stdout=pipe, stderr=pipe)
    assert reader.stdout is not None  # noqa: S101 - a pipe was asked for
    reader.stdout.close()
    _out, writer_said = writer.communicate()
    _out, reader_said = reader.communicate()
    _require(writer.returncode, writer_said, f"writing {new}")
    _require(reader.returncode, reader_said, f"reading {path}")


def _require(code: int, said: bytes, what: str) -> None:
    if code != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        raise CouldNotJudgeError(f"{what} through the controller failed: {lines[-1]}")
