"""Judges one system's repository at a site: size, newest snapshot, locks, and the age of our key to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from yunwei.inspection.check import DAY, Check, finding, good, unread
from yunwei.inspection.facts import Facts, Repository
from yunwei.inspection.past import LEAST_DAYS, Past
from yunwei.inspection.visit import Visit
from yunwei.policy import System
from yunwei.policy.estate import Inspection

# Copies to the second site follow the backup by at most a day.
_COPY_SECONDS = DAY
_TOLERANCE_SECONDS = 600


def judge_store(visit: Visit, system: System, limits: Inspection, now: datetime, past: Past) -> Iterator[Check]:
    """Yield the lines of one system at one site; the first says whether it was reached at all."""
    place, facts = visit.place, visit.facts
    if facts is None:
        yield Check(place, "reach", "unknown", "reach_not", {"reason": visit.fault})
        return
    yield good(place, "reach", host=facts["host"])
    if facts["repository"] is None:
        reason = facts["unread"].get("repository")
        yield unread(place, "size", reason) if reason else finding(place, "size_absent", "medium")
    else:
        yield _size(place, facts["repository"], past)
        yield _newest(place, facts, facts["repository"], system)
        yield _lock(place, facts, facts["repository"], limits.lock_seconds)
        yield _keys(place, facts["repository"], past)
        if visit.site == "miyun":
            yield _quota(place, facts["repository"], limits.quota_percent)
    yield _host_lock(place, facts, limits.host_lock_seconds)
    yield _access_key(visit, limits.access_key_days * DAY, now)


def _size(place: str, repository: Repository, past: Past) -> Check:
    values: dict[str, Any] = {"size_bytes": repository["bytes"], "snapshots_count": repository["snapshots"]}
    before = past.find(place, "bytes", LEAST_DAYS)
    if before is None:
        return Check(place, "size", "none", "size_first", values)
    days, size = before
    grown = repository["bytes"] - size
    values |= {"daily_bytes": abs(round(grown / days)), "since_seconds": days * DAY}
    return Check(place, "size", "good", "size_good" if grown >= 0 else "size_less", values)


def _newest(place: str, facts: Facts, repository: Repository, system: System) -> Check:
    limit = min((item.rpo_seconds for item in system.items()), default=DAY) + _COPY_SECONDS
    if repository["newest_snapshot"] is None:
        return finding(place, "newest_absent", "high")
    age = facts["ended"] - repository["newest_snapshot"]
    if age < -_TOLERANCE_SECONDS:
        return finding(place, "newest_future", "high", ahead_seconds=-age)
    values = {"age_seconds": max(0.0, age), "limit_seconds": limit}
    return finding(place, "newest_old", "high", **values) if age > limit else good(place, "newest", **values)


def _lock(place: str, facts: Facts, repository: Repository, limit: int) -> Check:
    if not repository["locks"]:
        return good(place, "lock")
    oldest = min(repository["locks"], key=lambda lock: lock["since"])
    age = max(0.0, facts["ended"] - oldest["since"])
    values = {"age_seconds": age, "limit_seconds": limit, "name": oldest["name"][:12]}
    if age > limit:
        return finding(place, "lock_stale", "medium", **values)
    return Check(place, "lock", "good", "lock_live", values)


def _host_lock(place: str, facts: Facts, limit: int) -> Check:
    reason = facts["unread"].get("host_lock")
    if reason:
        return unread(place, "hostlock", reason)
    if facts["host_lock"] is None:
        return good(place, "hostlock")
    values = {"age_seconds": max(0.0, facts["ended"] - facts["host_lock"]), "limit_seconds": limit}
    if values["age_seconds"] > limit:
        return finding(place, "hostlock_long", "medium", **values)
    return Check(place, "hostlock", "good", "hostlock_held", values)


def _quota(place: str, repository: Repository, percent: int) -> Check:
    """Judge how near the system is to what it may keep at the site: beyond that nothing more is taken."""
    quota = repository["quota_bytes"]
    if quota is None:
        return finding(place, "quota_unset", "medium")
    values = {"used_bytes": repository["used_bytes"], "quota_bytes": quota, "limit_percent": percent}
    if repository["used_bytes"] >= quota:
        return finding(place, "quota_spent", "high", **values)
    if 100 * repository["used_bytes"] > percent * quota:
        return finding(place, "quota_near", "medium", **values)
    return good(place, "quota", **values)


def _keys(place: str, repository: Repository, past: Past) -> Check:
    """Judge the repository's own keys: each opens it, so one more is somebody more who can read.

    The second site pins them; at the local one they are held against the last inspection.
    """
    if repository["pinned_keys"] is not None:
        return _pinned(place, set(repository["keys"]), set(repository["pinned_keys"]))
    before = past.find(place, "keys")
    if before is None:
        return Check(place, "keys", "none", "keys_first", {"found_count": len(repository["keys"])})
    now, then = set(repository["keys"]), set(before[1])
    added, gone = sorted(now - then), sorted(then - now)
    if added or gone:
        values = {"added": [key[:12] for key in added], "gone": [key[:12] for key in gone]}
        return finding(place, "keys_changed", "high", **values)
    return good(place, "keys", found_count=len(repository["keys"]))


def _pinned(place: str, now: set[str], pinned: set[str]) -> Check:
    if now != pinned:
        values = {
            "added": [key[:12] for key in sorted(now - pinned)],
            "gone": [key[:12] for key in sorted(pinned - now)],
        }
        return finding(place, "keys_unpinned", "high", **values)
    return Check(place, "keys", "good", "keys_pinned", {"found_count": len(now)})


def _access_key(visit: Visit, limit: float, now: datetime) -> Check:
    if visit.key_made is None:
        return unread(visit.place, "access", "")
    values = {"age_seconds": max(0.0, (now - visit.key_made).total_seconds()), "limit_seconds": limit}
    if values["age_seconds"] > limit:
        return finding(visit.place, "access_old", "low", **values)
    return good(visit.place, "access", **values)
