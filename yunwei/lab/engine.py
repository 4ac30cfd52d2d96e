"""The only user of podman: finds out how it must be called on this machine, and calls it."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yunwei.errors import LabError

# Without CAP_SYS_RESOURCE podman's own, higher defaults end in "setrlimit: Operation not permitted".
ULIMITS = ("--ulimit", "nofile=16384:16384", "--ulimit", "nproc=16384:16384")


def has_cgroup_v1(mounts: str) -> bool:
    """Tell from the text of /proc/mounts whether any version 1 cgroup hierarchy is mounted."""
    return any(line.split()[2] == "cgroup" for line in mounts.splitlines() if len(line.split()) > 2)


def runtime_options(mounts: str) -> list[str]:
    """Return podman's runtime option: crun refuses hybrid cgroups, so runc is named where version 1 is mounted."""
    return ["--runtime", "runc"] if has_cgroup_v1(mounts) else []


def as_root(command: Sequence[str]) -> list[str]:
    """Return the command as it must be called to run as root: podman's networks need it."""
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command]


@functools.cache
def _podman() -> tuple[str, ...]:
    return tuple(as_root(["podman", *runtime_options(Path("/proc/mounts").read_text(encoding="ascii"))]))


def podman(
    *arguments: str, stdin: bytes = b"", check: bool = True, timeout: float = 300
) -> subprocess.CompletedProcess[bytes]:
    """Run podman and return what it answered.

    stdin: bytes for its standard input. timeout: seconds.
    Raises LabError with podman's own words when it fails and `check` is set, is absent, or takes too long.
    """
    command = [*_podman(), *arguments]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise LabError(f"'{command[0]}' is not installed. Install podman, then repeat `yunwei lab up`.") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"podman {arguments[0]} did not answer within {timeout:.0f} s.") from error
    if check and done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise LabError(f"podman {' '.join(arguments[:2])} failed with {done.returncode}: {words}")
    return done


def podman_json(*arguments: str) -> Any:
    """Run podman and return its answer read as JSON; an empty answer is an empty list."""
    text = podman(*arguments).stdout.decode("utf-8").strip()
    return json.loads(text) if text else []


def execute(container: str, command: Sequence[str], stdin: bytes = b"", timeout: float = 300) -> bytes:
    """Run a command as root inside a container and return its standard output; LabError when it fails."""
    return podman("exec", "-i", container, *command, stdin=stdin, timeout=timeout).stdout


def run_script(container: str, script: str, timeout: float = 300) -> str:
    """Run a shell script inside a container, handed over on standard input; it stops at the first failure."""
    output = execute(container, ["/bin/sh", "-eu", "-s"], script.encode("utf-8"), timeout)
    return output.decode("utf-8", "replace")


def image_exists(reference: str) -> bool:
    """Tell whether podman holds a finished image of this name."""
    return podman("image", "exists", reference, check=False).returncode == 0
