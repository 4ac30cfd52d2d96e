"""`yunwei timers`."""

from __future__ import annotations

import argparse
import contextlib

from yunwei import policy, timer_logins
from yunwei.cli import show
from yunwei.errors import VaultError
from yunwei.vault import VaultClient


def log_in(options: argparse.Namespace) -> int:
    """Hand each timer its login; a person does this after every start of the controller."""
    known = policy.load(options.inventory)
    vault = VaultClient(known.estate.vault)
    vault.login()
    try:
        done = list(timer_logins.hand_out(known, vault, renew=options.renew))
    finally:
        with contextlib.suppress(VaultError):
            vault.revoke()
    rows = [(one.role, one.status, one.path) for one in done]
    if options.json:
        show.json_document([{"role": role, "status": status, "path": str(path)} for role, status, path in rows])
    else:
        show.table(("AppRole", "status", "file"), rows, "logins of timers")
    return 0
