"""Made-up sites and the inspections that come of them: every kind of line, true to what the site's program writes."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.inventories import ESTATE, InventoryCopy
from yunwei.inspection import outcome
from yunwei.inspection.check import Check
from yunwei.inspection.drift import key_digest
from yunwei.inspection.facts import Facts
from yunwei.inspection.visit import Clock, Visit
from yunwei.ledger import Entry
from yunwei.ledger.chain import Head, make_entry
from yunwei.policy import Policy

NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
END = NOW.timestamp()
DAY = 86400.0
GIB = 1 << 30
PUBLIC = "ssh-ed25519 AAAAREADER reader"
RULES = {
    "keep": {"last": 3, "daily": 30, "weekly": 12, "monthly": 12, "yearly": 0},
    "max_removals": 20,
    "permission": {"reference": "LAB-CONSENT-2026-02", "expires": "2027-12-31"},
    "legal_holds": [],
    "timezone": "Asia/Shanghai",
}
TRY = {"what": "delete", "refused": True, "said": "/snapshots/0 is not removed"}
ITEMS = {
    "mediation": ["database:mediation", "files:app"],
    "legalservice": ["database:legalservice", "files:portal"],
}


def lab_policy(folder: Path, miyun: str = "") -> Policy:
    """Return the lab's policy, with the public files that it names; `miyun` is added to what it says of that site."""
    inventory = InventoryCopy(folder)
    inventory.pin_everything()
    inventory.edit(ESTATE, "/dev/shm/yunwei-lab-demo/public", str(folder / "public"))
    for system in ITEMS:
        (folder / "public" / system).mkdir(parents=True)
        (folder / "public" / system / "miyun-append.pub").write_text("ssh-ed25519 AAAAAPPEND append\n")
    inventory.edit(ESTATE, "  miyun:\n", "  miyun:\n" + miyun)
    return inventory.load()


def site_facts(site: str, system: str = "mediation") -> Facts:
    """Return what a site in order answers."""
    reader = {"account": "yunwei-read" if site == "local" else "miyun-read", "keys": [key_digest(PUBLIC)], "foreign": 0}
    appender = {"account": "miyun-append", "keys": [key_digest("ssh-ed25519 AAAAAPPEND")], "foreign": 0}
    receipt = {"type": "ssh-ed25519", "sha256": key_digest("ssh-ed25519 RECEIPT"), "made": END - 200 * DAY}
    host = "backup1" if site == "local" else "miyun1"
    return copy.deepcopy({  # type: ignore[return-value]
        "format": 1, "system": system, "host": host, "began": END - 1, "ended": END, "unread": {},
        "load": {"cpus": 4, "fifteen_minutes": 1.25},
        "memory": {"total_bytes": 16 * GIB, "available_bytes": 9 * GIB},
        "disks": [
            {"mount": "/srv", "holds_store": True, "total_bytes": 4000 * GIB, "free_bytes": 2400 * GIB,
             "inodes": 1000, "free_inodes": 900, "read_only": False},
            {"mount": "/", "holds_store": False, "total_bytes": 40 * GIB, "free_bytes": 30 * GIB,
             "inodes": 1000, "free_inodes": 900, "read_only": False},
        ],
        "arrays": [{"name": "md0", "wanted": 4, "working": 4}],
        "repository": {"bytes": 700 * GIB, "used_bytes": 701 * GIB,
                       "quota_bytes": None if site == "local" else 1000 * GIB,
                       "pinned_keys": None if site == "local" else ["a" * 64], "files": 90_000,
                       "snapshots": 120, "newest_snapshot": END - 3 * 3600,
                       "locks": [], "keys": ["a" * 64]},
        "host_lock": None,
        "accounts": [reader] if site == "local" else [appender, reader],
        "programs": outcome.release_programs(site),
        "host_keys": [{"type": "ssh-ed25519", "sha256": "f" * 64, "made": END - 400 * DAY}],
        "receipt_key": None if site == "local" else receipt,
        "rules": None if site == "local" else {"items": ITEMS[system], **RULES},
    })  # fmt: skip


def visit(site: Any, system: str = "mediation", facts: Facts | None = None) -> Visit:
    """Return a visit that went well."""
    answer = facts or site_facts(site, system)
    return Visit(site, system, answer, Clock(-0.2, 0.3), key_made=NOW - timedelta(days=100), public_key=PUBLIC)


def ledger_entries(age: timedelta = timedelta(hours=9)) -> list[Entry]:
    """Return runs of the schedule that went well, and an inspection of a month ago."""
    permits = [{"systems": sorted(ITEMS)}]
    probe = {"at": (NOW - age).isoformat(), "refused": True, "fault": None, "tries": [TRY] * 6}
    tasks = [{"status": "ok", "yunwei": {"system": system, "probe": probe}} for system in ITEMS]
    entries = [
        entry("run-end", {"job": job, "exit_code": 0, "status": "done", "permits": permits, "tasks": tasks}, age)
        for job in ("back-up", "sync-to-miyun")
    ]
    places = {
        f"{site}/{system}": {"bytes": 640 * GIB, "keys": ["a" * 64]} for site in ("local", "miyun") for system in ITEMS
    }
    measures = {"local": {"free_bytes": 2520 * GIB}, "miyun": {"free_bytes": 2520 * GIB}, **places}
    return [entry("inspection", {"measures": measures}, timedelta(days=30)), *entries]


def entry(kind: str, body: dict[str, Any], age: timedelta) -> Entry:
    """Return an entry of the ledger that was written so long ago."""
    time = (NOW - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return make_entry(Head(0, "0" * 64), f"r-{kind}-{age.total_seconds():.0f}", kind, time, body, signed=True)


def document(policy: Policy, visits: list[Visit] | None = None, entries: list[Entry] | None = None) -> dict[str, Any]:
    """Return the inspection of the lab's two systems at both sites; all is in order where nothing else is given."""
    about = outcome.Circumstances(
        policy=policy,
        systems=list(policy.systems.values()),
        started=NOW - timedelta(seconds=20),
        finished=NOW,
        entries=ledger_entries() if entries is None else entries,
        evidence_id="r-20261201T040000-0a1b2c",
        ledger_head={"count": 412, "hash": "9c" * 32},
        versions={"git_commit": "0" * 40, "dirty": False, "yunwei_version": "0.1.0", "python": "3.11.2"},
    )
    certificate = Check(
        "controller", "certificate", "good", "certificate_good",
        {"left_seconds": 300 * DAY, "limit_seconds": 30 * DAY, "address": policy.estate.vault.address},
    )  # fmt: skip
    every = [visit(site, system) for site in ("local", "miyun") for system in policy.systems]
    return outcome.build(about, every if visits is None else visits, certificate)


def bad_visits() -> list[Visit]:
    """Return visits with a finding of every kind that a page must bear, among them hostile words."""
    local, miyun = site_facts("local"), site_facts("miyun", "legalservice")
    local["load"] = {"cpus": 2, "fifteen_minutes": 31.5}
    local["memory"] = None
    local["unread"] = {"memory": "[Errno 13] Permission denied: '/proc/meminfo' \u202e" + "x" * 200}
    assert local["disks"]
    assert miyun["repository"]
    assert miyun["accounts"]
    assert miyun["rules"]
    local["disks"][0] |= {"mount": "/srv/" + "very-long-name-" * 12, "free_bytes": 3 * GIB}
    local["disks"][1]["read_only"] = True
    local["arrays"] = [{"name": "md0", "wanted": 4, "working": 3}]
    local["host_lock"] = END - 3 * DAY
    miyun["repository"] |= {"keys": ["b" * 64], "newest_snapshot": END - 9 * DAY}
    miyun["repository"]["locks"] = [{"name": "e" * 64, "since": END - 2 * DAY}]
    miyun["accounts"][0] |= {"foreign": 2, "keys": []}
    miyun["programs"] = {"<script>alert(1)</script>.py": "0" * 64}
    miyun["rules"]["keep"] = {"last": 1}
    unreached = Visit("miyun", "mediation", fault="miyun-read@198.51.100.139:22: timed out " + "y" * 300)
    return [visit("local", facts=local), unreached, visit("miyun", "legalservice", miyun)]


def samples(folder: Path) -> dict[str, dict[str, Any]]:
    """Return one inspection of each verdict."""
    policy = lab_policy(folder)
    every = [visit(site, system) for site in ("local", "miyun") for system in policy.systems]
    silent = [*every[:-1], Visit("miyun", every[-1].system, fault="timed out")]
    return {
        "passed": document(policy),
        "findings": document(policy, bad_visits(), []),
        "could not judge": document(policy, silent),
    }
