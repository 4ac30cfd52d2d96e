"""A repository behind an SSH forced command, seen from the backup server."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import subprocess

from . import process
from .faults import FaultError, RepositoryUnreachableError
from .frames import clean_text
from .repository import behind
from .sshagent import SshAccess

CACHE = "/var/cache/yunwei"
PROTOCOL = ("serve", "restic")
_RECEIPT_BYTES = 32 << 20


class RemoteSite:
    """The other site, reached with one key; close it to forget the key."""

    def __init__(self, remote, secrets, folder, flags=()):
        """Start the agent and describe the repository.

        Args:
            remote: a `RemoteWork`.
            secrets: holds `remote["secret"]` and `remote["repository_secret"]`.
            folder: the run's tmpfs folder.
            flags: further flags of restic, such as `--limit-upload=512`.

        Raises FaultError when a secret was not fetched.
        """
        for name in (remote["secret"], remote["repository_secret"]):
            if name not in secrets:
                raise FaultError("the secret %s was not fetched from Vault" % name)
        self.site = remote["site"]
        self._alias = "site-" + remote["site"]
        self._ssh = SshAccess(folder, remote["host_keys"])
        key = secrets[remote["secret"]]
        self._ssh.add_host(self._alias, remote["address"], remote["port"], remote["user"], key)
        password = secrets[remote["repository_secret"]]["password"]
        self.repository = behind(self._ssh.command(self._alias), password, "of %s" % remote["site"], flags)

    def demand_reachable(self):
        """Raise RepositoryUnreachableError at once when nobody answers: restic itself would try for minutes."""
        code, _, err = process.run(self._ssh.command(self._alias, "hello"), timeout=60)
        # The gate refuses this word with its own exit code; 255 is ssh's.
        if code == 255 or code < 0:
            raise RepositoryUnreachableError(
                "site %s cannot be reached: %s" % (self.site, clean_text(err[-500:]) or "no answer within a minute")
            )

    def ask(self, *words):
        """Return what the forced command prints for `words`; raises RepositoryUnreachableError with what it said."""
        child = process.start(
            self._ssh.command(self._alias, *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        child.stdin.close()
        err = process.Tail(child.stderr)
        try:
            with child.stdout as stream:
                answer = stream.read(_RECEIPT_BYTES)
            code = process.wait(child, 60)
        finally:
            process.stop(child)
        if code != 0:
            said = "site %s gave no %s (exit %s): %s" % (self.site, words[0], code, err.text())
            raise RepositoryUnreachableError(said)
        return answer

    def protocol(self):
        """Return the argument vector that speaks the repository protocol there."""
        return self._ssh.command(self._alias, *PROTOCOL)

    def close(self):
        """End the agent."""
        self._ssh.close()
