"""`yunwei locks`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from yunwei import launch, lock_list, lock_release, locks, policy
from yunwei.cli import show
from yunwei.errors import LedgerError, VaultError
from yunwei.jobs import find_job
from yunwei.ledger import Ledger
from yunwei.vault import VaultClient

_COLUMNS = ("where", "system", "who", "run", "job", "since", "lease end", "number", "run is", "given back by")


def show_list(options: argparse.Namespace) -> int:
    """List the locks that are held, also those whose lease is over; with `--hosts` those on the hosts too."""
    estate = policy.load(options.inventory)
    systems = [system.id for system in estate.choose_systems(options.system)]
    rows, code = _look_everywhere(options, systems) if options.hosts else (_look_alone(estate, systems), 0)
    if options.json:
        show.json_document(rows)
        return code
    for row in rows:
        if "unread" in row:
            show.say(show.printable(f"{row['place']}: its locks are not known: {row['unread']}"))
    known = [row for row in rows if "unread" not in row]
    if known:
        show.table(_COLUMNS, [_row(row) for row in known], "locks")
    else:
        print(f"no lock is held; systems looked at: {', '.join(systems)}")
    return code


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


def _look_everywhere(options: argparse.Namespace, systems: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """Return the locks in Vault and on the hosts, a row for each host that did not answer, and the exit code."""
    in_vault: list[dict[str, Any]] = []

    def look(_document: dict[str, Any], vault: VaultClient) -> None:
        in_vault.extend(_look(vault, systems))

    request = launch.Request(find_job("list-locks"), options.inventory, systems)
    document = launch.launch(request, show.progress, look).document
    on_hosts = [lock_list.describe_on_host(str(item["host"]), item) for item in document["items"]]
    unread = [{"place": failure["host"], "unread": failure["message"]} for failure in document["failures"]]
    if document["exit_code"] and not unread:
        unread = [{"place": "hosts", "unread": document["reason"]}]
    return [*in_vault, *on_hosts, *unread], int(document["exit_code"])


def _look_alone(estate: policy.Policy, systems: Iterable[str]) -> list[dict[str, Any]]:
    vault = VaultClient(estate.estate.vault)
    vault.login()
    try:
        return _look(vault, systems)
    finally:
        with contextlib.suppress(VaultError):
            vault.revoke()


def _look(vault: VaultClient, systems: Iterable[str]) -> list[dict[str, Any]]:
    found = [seen for seen in (locks.look(vault, system) for system in systems) if seen]
    ledger = _ledger() if found else None
    return [lock_list.describe(seen, lock_list.see_run(ledger, seen.held.run_id)) for seen in found]


def _ledger() -> Ledger | None:
    """Return the ledger; a broken one must not hide who holds what."""
    try:
        return Ledger.open()
    except LedgerError as error:
        show.say(f"{error}: so whether a run is alive is not known")
        return None


def _row(row: Mapping[str, Any]) -> list[object]:
    who = f"{row['who']} on {row['controller']}" if row["place"] == "vault" else f"process {row['pid']}"
    end = f"{row['lease_end']} (over)" if row.get("lease_over") else row.get("lease_end")
    keys = ("run_id", "job", "since")
    return [
        row["place"],
        row["system"],
        who,
        *(row[key] for key in keys),
        end,
        row.get("number"),
        row["run_state"],
        row["released_by"],
    ]
