"""Work that concerns the copies: to the second site (`sync-to-miyun`), and what may be removed (`retire-backups`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from yunwei.errors import UsageError
from yunwei.ledger.chain import Head
from yunwei.policy import Policy, System
from yunwei.policy.system import LegalHold
from yunwei.work.back_up import local_records, local_repository, tripwire_releases
from yunwei.work.pins import pinned_keys, read_public_file
from yunwei.work.shapes import LegalHoldWork, ReleasedWork, RemoteWork, RetireWork, SiteName, SyncWork, TargetWork
from yunwei.work.times import utc

_RECORD = re.compile(r"[0-9a-f]{12,64}")


def sync_work(policy: Policy, system_id: str, head: Head, now: datetime) -> SyncWork:
    """Return what the backup server copies to the second site for one system, and the ledger's `head` to show there.

    Raises `UsageError` for an unknown system or when the site's host key or receipt key is not at hand.
    """
    system = policy.system(system_id)
    return {
        "system": system.id,
        "repository": local_repository(policy, system),
        "records": local_records(policy, system),
        "items": [
            *(item.id for item in system.items()),
            *(f"logs:{host}" for host in system.log_hosts),
            *(f"history:{rule.name}" for rule in system.history),
        ],
        "remote": miyun(policy, system, policy.estate.sites.miyun.append_user, "miyun-append"),
        "target": _target(policy),
        "bandwidth_kib_per_second": policy.estate.sites.miyun.bandwidth_kib_per_second,
        "probe_every_days": policy.estate.sites.miyun.probe_every_days,
        "head": {"count": head.count, "hash": head.hash},
        "time": utc(now),
    }


def retire_work(
    policy: Policy, system_id: str, site: SiteName, now: datetime, release: Mapping[str, Any] | None = None
) -> RetireWork:
    """Return what may be removed for one system at one site.

    Args:
        policy: whose rule it is.
        system_id: the system.
        site: where.
        now: the controller's clock: permissions are held against it.
        release: `records` and `reason` of an early release at the local site, empty for none.

    Raises `UsageError` for an unknown system or a release that is none, and `RefusedError` when no rule with a valid
    permission exists.
    """
    system = policy.system(system_id)
    today = now.astimezone(policy.estate.zone).date()
    rule = system.retention_rule(site, today)
    local = site == "local"
    return {
        "system": system.id,
        "site": site,
        "repository": local_repository(policy, system) if local else miyun_repository(policy, system),
        "records": local_records(policy, system) if local else None,
        "items": [item.id for item in system.items()],
        "keep": {
            "last": rule.keep.last,
            "daily": rule.keep.daily,
            "weekly": rule.keep.weekly,
            "monthly": rule.keep.monthly,
            "yearly": rule.keep.yearly,
        },
        "max_removals": rule.max_removals,
        "rejected_days": rule.rejected_days,
        "alert_days": rule.alert_days,
        "permission": {"reference": rule.permission.reference, "expires": rule.permission.expires.isoformat()},
        "legal_holds": [_hold(hold) for hold in system.legal_holds if hold.holds(today)],
        "tripwire_releases": tripwire_releases(system),
        "needs_site": "miyun" if local else None,
        "release": _release(release, site) if release else None,
        "timezone": policy.estate.timezone,
        "time": utc(now),
    }


def _release(release: Mapping[str, Any], site: SiteName) -> ReleasedWork:
    records, reason = release.get("records"), release.get("reason")
    if site != "local" or set(release) != {"records", "reason"}:
        raise UsageError(f"an early release is {{records, reason}} at site local; found {sorted(release)} at {site}")
    if not isinstance(records, list) or not records or not all(_RECORD.fullmatch(str(one)) for one in records):
        raise UsageError(f"records of an early release: {records!r}; allowed are ids of 12 to 64 hexadecimal digits")
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError("an early release without a reason: say why, it is kept as evidence")
    return {"records": sorted(str(one) for one in records), "reason": reason}


def miyun(policy: Policy, system: System, user: str, secret: str) -> RemoteWork:
    """Return how the second site is reached as `user` with the key in `secret`."""
    site = policy.estate.sites.miyun
    receipt_key = Path(site.receipt_public_key_file)
    return {
        "site": "miyun",
        "address": site.address,
        "port": site.port,
        "user": user,
        "path": miyun_repository(policy, system),
        "secret": secret,
        "repository_secret": "repository-miyun",
        "host_keys": pinned_keys(Path(policy.estate.known_hosts_file), [(site.address, site.port)]),
        "receipt_public_key": read_public_file(receipt_key, "the key that signs the second site's receipts"),
    }


def _target(policy: Policy) -> TargetWork:
    site = policy.estate.sites.miyun
    return {
        "kind": site.kind,
        "share_name": site.share_name,
        "share_path": site.share_path,
        "replica_wait_seconds": site.replica_wait_seconds,
    }


def miyun_repository(policy: Policy, system: System) -> str:
    """Return the system's repository at the second site."""
    return f"{policy.estate.sites.miyun.path}/{system.id}"


def _hold(hold: LegalHold) -> LegalHoldWork:
    until = hold.until.isoformat() if hold.until else None
    return {"item": hold.item, "record": hold.record, "reason": hold.reason, "until": until}
