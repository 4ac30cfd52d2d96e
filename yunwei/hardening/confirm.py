"""Confirms a change of settings by a login of its own: a host that nobody can log in to any more takes it back."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from yunwei import remote
from yunwei.errors import CouldNotJudgeError, YunweiError

# A connection that is still open would answer whatever the change has done to logins.
_FRESH = ("-o", "ControlPath=none", "-o", "ControlMaster=no")
_LOGIN_SECONDS = 20
_PAUSE_SECONDS = 1.0
# The host ends its own wait by its own clock, and reloads its services after that.
_GRACE_SECONDS = 60


class TakenBackError(YunweiError):
    """No fresh login was possible, and the host has taken the change back."""


@dataclass(frozen=True)
class Armed:
    """A change that waits on a host: its folder there, the Python that guards it, and for how long it waits."""

    folder: str
    python: str
    seconds: int

    def command(self, word: str, *, password: bool) -> str:
        """Return the words for the host's shell; sudo forgets who typed a password lately, or asks for none."""
        sudo = "sudo -k -S -p ''" if password else "sudo -n"
        return f"{sudo} {shlex.quote(self.python)} {shlex.quote(self.folder + '/revert.py')} {word}"


def fresh(ssh: Sequence[str]) -> list[str]:
    """Return an ssh command that makes a TCP connection of its own."""
    return [ssh[0], *_FRESH, *ssh[1:]]


def try_password(endpoint: remote.Endpoint) -> None:
    """Log in by password, over a connection of its own, and become root with a typed password.

    Raises `remote.RemoteError` where that is not possible.
    """
    with remote.connect(endpoint) as connection:
        remote.become_root(connection, str(endpoint.password), _LOGIN_SECONDS)


def confirm(
    ssh: Sequence[str], armed: Armed, password: str | None = None, probe: Callable[[], None] | None = None
) -> None:
    """Log in anew, become root, and keep the change; try for as long as the host waits.

    Args:
        ssh: reaches the host with an SSH key (`relay.ssh_command`).
        armed: the change.
        password: typed for sudo where it asks for one.
        probe: another way in that must work first; raises `YunweiError` where it does not.

    Raises:
        TakenBackError: no login in time; the host took the change back, seen by a login afterwards.
        CouldNotJudgeError: no login in time, and none afterwards either.
    """
    until = time.monotonic() + armed.seconds
    why = ""
    while time.monotonic() < until:
        answer, said = "", _refusal(probe)
        if not said:
            answer, said = _ask(ssh, armed, "confirm", password)
        if answer == "confirmed":
            return
        if "too late" in said:
            why = why or said  # the host was quicker: what kept us out until then is the reason
            break
        why = said
        time.sleep(_PAUSE_SECONDS)
    _await_return(ssh, armed, password, why or "no login was tried")


def _refusal(probe: Callable[[], None] | None) -> str:
    """Return why the probe does not get in, "" where it does or there is none."""
    try:
        if probe is not None:
            probe()
    except YunweiError as error:
        return str(error)
    return ""


def _await_return(ssh: Sequence[str], armed: Armed, password: str | None, said: str) -> None:
    why = f"no fresh login and sudo within {armed.seconds} s of the change: {said}"
    until = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < until:
        answer, _ = _ask(ssh, armed, "state", password)
        if answer == "reverted":
            raise TakenBackError(f"{why}. The host has taken the change back by itself and answers again")
        time.sleep(_PAUSE_SECONDS)
    raise CouldNotJudgeError(
        f"{why}. It takes the change back by itself, now or at its next start, but does not answer: look at its console"
    )


def _ask(ssh: Sequence[str], armed: Armed, word: str, password: str | None) -> tuple[str, str]:
    """Return what the host's guard answered, and the last line of what was said beside it."""
    command = [*fresh(ssh), armed.command(word, password=password is not None)]
    try:
        done = subprocess.run(
            command, input=f"{password or ''}\n", capture_output=True, text=True, check=False, timeout=_LOGIN_SECONDS
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {_LOGIN_SECONDS} s"
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return done.stdout.strip(), lines[-1][:300]


def sudo_password(variables: Mapping[str, object]) -> str | None:
    """Return the password that the inventory has for sudo, None where it asks for none."""
    found = variables.get("ansible_become_password") or variables.get("ansible_become_pass")
    return str(found) if found else None
