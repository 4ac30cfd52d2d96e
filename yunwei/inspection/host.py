"""Judges a site's host: clock, load, memory, disks, disk arrays, and the ages of its own keys. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from yunwei.inspection.check import DAY, Check, finding, good, unknown, unread
from yunwei.inspection.facts import Disk, Facts
from yunwei.inspection.past import LEAST_DAYS, Past
from yunwei.inspection.visit import Clock
from yunwei.policy.estate import Inspection

# Below a third of what policy wants free, a file system fills within days.
_NEARLY_FULL = 3


def judge_host(site: str, facts: Facts, clock: Clock, limits: Inspection, past: Past) -> list[Check]:
    """Return the lines of one site's host."""
    return [
        _clock(site, clock, limits.clock_seconds),
        _load(site, facts, limits),
        _memory(site, facts, limits),
        *_disks(site, facts, limits, past),
        *_arrays(site, facts),
        _host_keys(site, facts, limits.site_key_days * DAY),
    ]


def store_of(facts: Facts) -> Disk | None:
    """Return the file system that holds the repositories, where it could be read."""
    return next((disk for disk in facts["disks"] or () if disk["holds_store"]), None)


def _clock(site: str, clock: Clock, limit: int) -> Check:
    nearest = 0.0 if clock.least <= 0 <= clock.most else min(abs(clock.least), abs(clock.most))
    farthest = max(abs(clock.least), abs(clock.most))
    if clock.least > clock.most or nearest <= limit < farthest:
        return unknown(site, "clock_unsure", least_seconds=nearest, most_seconds=farthest, limit_seconds=limit)
    if nearest > limit:
        return finding(site, "clock_off", "medium", least_seconds=nearest, limit_seconds=limit)
    return good(site, "clock", most_seconds=farthest, limit_seconds=limit)


def _load(site: str, facts: Facts, limits: Inspection) -> Check:
    load = facts["load"]
    if load is None:
        return unread(site, "load", facts["unread"].get("load", ""))
    values = {"load": round(load["fifteen_minutes"], 2), "cpus": load["cpus"], "limit": limits.load_per_cpu}
    if load["fifteen_minutes"] > limits.load_per_cpu * load["cpus"]:
        return finding(site, "load_high", "low", **values)
    return good(site, "load", **values)


def _memory(site: str, facts: Facts, limits: Inspection) -> Check:
    memory = facts["memory"]
    if memory is None:
        return unread(site, "memory", facts["unread"].get("memory", ""))
    values = {**memory, "limit_percent": limits.memory_percent}
    if 100 * memory["available_bytes"] < limits.memory_percent * memory["total_bytes"]:
        return finding(site, "memory_low", "medium", **values)
    return good(site, "memory", **values)


def _disks(site: str, facts: Facts, limits: Inspection, past: Past) -> Iterator[Check]:
    if not facts["disks"]:
        yield unread(site, "disk", facts["unread"].get("disks", ""))
        return
    for disk in facts["disks"]:
        yield _disk(site, disk, limits.free_percent)
    store = store_of(facts)
    if store is None:
        yield unread(site, "growth", facts["unread"].get("disks", ""))
    else:
        yield _growth(site, store, limits.days_until_full, past)


def _disk(site: str, disk: Disk, percent: int) -> Check:
    values = {key: disk[key] for key in ("mount", "free_bytes", "total_bytes")}  # type: ignore[literal-required]
    values["limit_percent"] = percent
    if disk["read_only"]:
        return finding(site, "disk_frozen", "high", **values)
    if 100 * disk["free_bytes"] < percent * disk["total_bytes"]:
        nearly = 100 * _NEARLY_FULL * disk["free_bytes"] < percent * disk["total_bytes"]
        return finding(site, "disk_full", "high" if nearly else "medium", **values)
    if 100 * disk["free_inodes"] < percent * disk["inodes"]:
        return finding(
            site, "disk_inodes", "medium", **values, free_count=disk["free_inodes"], total_count=disk["inodes"]
        )
    return good(site, "disk", **values)


def _growth(site: str, store: Disk, limit: int, past: Past) -> Check:
    before = past.find(site, "free_bytes", LEAST_DAYS)
    if before is None:
        return Check(site, "growth", "none", "growth_first", {"free_bytes": store["free_bytes"]})
    days, free = before
    daily = (free - store["free_bytes"]) / days
    values: dict[str, Any] = {"daily_bytes": max(0, round(daily)), "since_seconds": days * DAY}
    if daily <= 0:
        return Check(site, "growth", "good", "growth_none", values)
    left = store["free_bytes"] / daily
    values |= {"left_seconds": left * DAY, "limit_seconds": limit * DAY}
    return finding(site, "growth_fast", "medium", **values) if left < limit else good(site, "growth", **values)


def _arrays(site: str, facts: Facts) -> Iterator[Check]:
    if facts["arrays"] is None:
        yield unread(site, "array", facts["unread"].get("arrays", ""))
        return
    for array in facts["arrays"]:
        if array["working"] < array["wanted"]:
            yield finding(site, "array_degraded", "high", **array)
        else:
            yield good(site, "array", **array)


def _host_keys(site: str, facts: Facts, limit: float) -> Check:
    if not facts["host_keys"]:
        return unread(site, "hostkey", facts["unread"].get("host_keys", ""))
    oldest = min(facts["host_keys"], key=lambda key: key["made"])
    age = max(0.0, facts["ended"] - oldest["made"])
    values = {"type": oldest["type"], "age_seconds": age, "limit_seconds": limit}
    return finding(site, "hostkey_old", "low", **values) if age > limit else good(site, "hostkey", **values)
