"""`yunwei locks`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable
from dataclasses import asdict

from yunwei import lock_release, locks, policy
from yunwei.cli import show
from yunwei.errors import VaultError
from yunwei.vault import VaultClient

_COLUMNS = ("system", "who", "controller", "run", "job", "since", "lease end", "number")


def show_list(options: argparse.Namespace) -> int:
    """List the locks that are held, also those whose lease is over."""
    estate = policy.load(options.inventory)
    systems = [system.id for system in estate.choose_systems(options.system)]
    found = _look(VaultClient(estate.estate.vault), systems)
    if options.json:
        rows = [{**asdict(seen.held), "lease_end": seen.lease_end, "lease_over": seen.over} for seen in found]
        show.json_document(rows)
    elif found:
        show.table(_COLUMNS, [_row(seen) for seen in found], "locks")
    else:
        print(f"no lock is held; systems looked at: {', '.join(systems)}")
    return 0


def release(options: argparse.Namespace) -> int:
    """Release the lock that a run left; the reason is recorded."""
    system = policy.load(options.inventory).system(options.id).id
    done = lock_release.release(options.inventory, system, options.reason)
    if options.json:
        show.json_document(done)
        return 0
    held = done["released"]
    print(
        show.printable(
            f"{system}: released lock number {held['number']} of run {held['run_id']} (job {held['job']}, "
            f"{held['who']} on {held['controller']}): {done['why_allowed']}. Recorded as {done['run_id']}."
        )
    )
    for warning in done["warnings"]:
        show.say(warning)
    return 0


def _look(vault: VaultClient, systems: Iterable[str]) -> list[locks.LockSeen]:
    vault.login()
    try:
        return [seen for seen in (locks.look(vault, system) for system in systems) if seen]
    finally:
        with contextlib.suppress(VaultError):
            vault.revoke()


def _row(seen: locks.LockSeen) -> list[object]:
    held = seen.held
    end = f"{seen.lease_end} (over)" if seen.over else seen.lease_end
    return [held.system, held.who, held.controller, held.run_id, held.job, held.since, end, held.number]
