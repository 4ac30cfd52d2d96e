"""SSH to other hosts with keys that live in a private agent and never touch a disk."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import signal
import subprocess

from . import process
from .faults import FaultError

KEY_LIFETIME_SECONDS = 86400
_SAY_AND_WAIT = "echo $SSH_AGENT_PID; exec cat >/dev/null"
_WORD = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._:-]*\Z")
_OPTION = re.compile(r"\A[A-Za-z]+=[A-Za-z0-9@.,+^*-]+\Z")

SETTINGS = (
    "BatchMode yes",
    "StrictHostKeyChecking yes",
    "UpdateHostKeys no",
    "GlobalKnownHostsFile none",
    "IdentitiesOnly yes",
    "PreferredAuthentications publickey",
    "ConnectTimeout 15",
    "ConnectionAttempts 1",
    "ServerAliveInterval 10",
    "ServerAliveCountMax 3",
    "ControlMaster no",
    "ControlPath none",
    "ForwardAgent no",
    "ClearAllForwardings yes",
    "PermitLocalCommand no",
    "LogLevel ERROR",
)


class SshAccess:
    """An agent, a known_hosts file and a configuration in the run's folder; hosts are then reached by alias."""

    def __init__(self, folder, known_hosts):
        """Start the agent in `folder` (0700, tmpfs); `known_hosts` are the only lines that may vouch for a host."""
        self._folder = folder
        self._socket = os.path.join(folder, "agent.sock")
        self._blocks = {}
        self._agent = None
        self._write("known_hosts", "".join([line.rstrip("\n") + "\n" for line in known_hosts]))
        # The agent serves for as long as `cat` lives, and cat lives until its stdin closes: even SIGKILL of this
        # process ends both. (The death signal of setpriv is lost on ssh-agent, which is setgid on Debian.)
        self._keeper = process.start(
            ["ssh-agent", "-a", self._socket, "-t", str(KEY_LIFETIME_SECONDS), "sh", "-c", _SAY_AND_WAIT],
            die_with=None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = self._keeper.stdout.readline().strip()
        if not said.isdigit():
            self.close()
            raise FaultError("ssh-agent does not start; is openssh-client installed on this host?")
        self._agent = int(said)

    def add_host(self, alias, address, port, user, key, options=()):  # noqa: PLR0913, PLR0917  (what ssh needs)
        """Make `ssh <alias>` work.

        Args:
            alias: the name to call it by; letters, digits, dot, hyphen.
            address: name or address as known_hosts has it.
            port: its port.
            user: the account there.
            key: {"private_key", "public_key"} as Vault holds them.
            options: extra `Name=value` settings that an old sshd needs.
        """
        _check((alias, address, user), options)
        self._add_key(alias, key["private_key"])
        self._write(alias + ".pub", key["public_key"].strip() + "\n")
        lines = ["HostName %s" % address, "Port %d" % int(port), "User %s" % user]
        lines += ["IdentityFile %s" % self._path(alias + ".pub")]
        lines += [option.replace("=", " ", 1) for option in options]
        self._blocks[alias] = "Host %s\n  %s\n" % (alias, "\n  ".join(lines))
        self._write_configuration()

    def command(self, alias, *words):
        """Return the argument vector that runs `words` at the far side of `alias`."""
        return ["ssh", "-F", self._path("ssh_config"), "-T", alias] + list(words)

    def close(self):
        """End the agent; its keys are gone with it."""
        if self._agent is not None:
            os.kill(self._agent, signal.SIGTERM)  # else it would look for its keeper every ten seconds only
        self._agent = None
        self._keeper.stdin.close()
        process.stop(self._keeper)
        self._keeper.stdout.close()

    def _add_key(self, alias, private_key):
        code, _, _ = process.run(
            ["ssh-add", "-q", "-t", str(KEY_LIFETIME_SECONDS), "-"],
            feed=private_key.rstrip("\n").encode("ascii") + b"\n",
            env=dict(os.environ, SSH_AUTH_SOCK=self._socket),
            timeout=30,
        )
        if code:
            raise FaultError("the private key for %s in Vault is not usable; write a new pair of keys" % alias)

    def _write_configuration(self):
        common = SETTINGS + (
            "UserKnownHostsFile %s" % self._path("known_hosts"),
            "IdentityAgent %s" % self._socket,
        )
        blocks = [self._blocks[alias] for alias in sorted(self._blocks)]
        # ssh takes the first value it meets: no option of a host may undo what holds for all.
        self._write("ssh_config", "Host *\n  %s\n" % "\n  ".join(common) + "".join(blocks))

    def _path(self, name):
        return os.path.join(self._folder, name)

    def _write(self, name, text):
        descriptor = os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            process.write_all(descriptor, text.encode("utf-8"))
        finally:
            os.close(descriptor)


def _check(words, options):
    for word in words:
        if not _WORD.match(word):
            raise FaultError("%r cannot stand in an ssh configuration; correct the policy" % (word,))
    for option in options:
        if not _OPTION.match(option):
            raise FaultError("ssh option %r is not of the form Name=value; correct the policy" % (option,))
