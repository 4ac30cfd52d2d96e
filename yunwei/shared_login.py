"""One login for the wrapper and the playbook it starts: what the wrapper records after the run is signed too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from yunwei import policy
from yunwei.errors import VaultError, YunweiError
from yunwei.ledger import Ledger
from yunwei.session import Intent, record_refused
from yunwei.vault import VaultClient
from yunwei.vault_login import hand_over


@dataclass(frozen=True)
class SharedLogin:
    """A logged-in client, to sign with, and the environment that makes one child process use the same login."""

    client: VaultClient
    environment: dict[str, str]


@contextlib.contextmanager
def shared_login(intent: Intent) -> Iterator[SharedLogin]:
    """Log in, asking a person at the terminal where there is no login file; end the token when the block ends.

    The token travels to the child in a file on tmpfs that the child removes; the environment holds only its name.

    Raises:
        LedgerError: the ledger cannot be written.
        PolicyError, UsageError, VaultError: the run is recorded as refused, to be signed at the next start.
    """
    client = _log_in(intent)
    try:
        with hand_over(client.token) as path:
            yield SharedLogin(client, {"YUNWEI_LOGIN_FILE": str(path)})
    finally:
        with contextlib.suppress(VaultError):
            client.revoke()


def _log_in(intent: Intent) -> VaultClient:
    ledger = Ledger.open()
    try:
        client = VaultClient(policy.load(intent.inventory_dir).estate.vault)
        client.login()
    except YunweiError as error:
        record_refused(ledger, intent, error)
        raise
    return client
