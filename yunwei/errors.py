"""The exception tree: each error knows the exit code it ends a command with.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused by policy, 4 could not be judged.
"""

from __future__ import annotations


class YunweiError(Exception):
    """Something a person must read: what was found, what is allowed, what to do next."""

    exit_code = 1


class UsageError(YunweiError):
    """Wrong words on the command line or a name that does not exist."""

    exit_code = 2


class PolicyError(YunweiError):
    """The inventory's policy is not valid; carries every problem found."""

    exit_code = 2


class RefusedError(YunweiError):
    """Policy forbids it now: a lock is held, a permission is missing."""

    exit_code = 3


class LockBusyError(RefusedError):
    """Another run holds the lock; the message names it."""


class NotAsPlannedError(RefusedError):
    """Hosts fell out of a stored plan before any of it was done; `hosts` are those."""

    def __init__(self, message: str, hosts: list[str]) -> None:
        """Keep the message and the hosts."""
        super().__init__(message)
        self.hosts = hosts


class CouldNotJudgeError(YunweiError):
    """The check could not run, so nothing is known; never counted as good."""

    exit_code = 4


class LedgerError(YunweiError):
    """The evidence ledger cannot be opened, written or verified."""


class VaultError(YunweiError):
    """Base of the faults of Vault that a person can tell apart and repair."""


class VaultUnreachableError(VaultError):
    """No answer from the address."""


class VaultSealedError(VaultError):
    """Vault answers but is sealed."""


class VaultTokenError(VaultError):
    """The login was refused or the token has expired."""


class VaultForbiddenError(VaultError):
    """The identity may not read this path."""


class VaultMissingSecretError(VaultError):
    """The path is readable but holds nothing."""


class RunnerError(YunweiError):
    """The playbook could not be run or did not end."""


class LabError(YunweiError):
    """The lab could not be made, found or removed."""
