"""What the tests of retirement share: old and new backups at two sites, and one run of retirement on them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from yunwei_host import pull, retire
from yunwei_host.clock import stamp

from tests.pull_world import FAR_PASSWORD, TwoSites
from tests.stages import Stages

DAY = 86400


def synced(folder: Path) -> Stages[TwoSites]:
    """Return three proven backups of a file set, two made days ago; the second builds on the first."""
    with pytest.MonkeyPatch.context() as patch:
        made = TwoSites(folder, patch)
        made.only("files")
        for number, age in enumerate((20, 10, 0)):
            (made.tree / f"file{number}").write_bytes(os.urandom(1 << 20))
            with patch.context() as then:
                then.setattr(pull, "stamp", lambda seconds=None, age=age: stamp((seconds or time.time()) - age * DAY))
                made.back_up(now=True)
        made.sync()
        kept = Stages(made)
        kept.keep("synced")
    return kept


def unit(world: TwoSites, **more: Any) -> dict[str, Any]:
    """Return a `RetireWork` that keeps the newest record only."""
    return {
        "system": "mediation",
        "site": "local",
        "repository": world.work["repository"],
        "records": world.work["records"],
        "items": ["files:app"],
        "keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0},
        "max_removals": 20,
        "rejected_days": 30,
        "alert_days": 30,
        "permission": {"reference": "LAB-1", "expires": "2099-12-31"},
        "legal_holds": [],
        "tripwire_releases": [],
        "needs_site": "miyun",
        "release": None,
        "timezone": "Asia/Shanghai",
        "time": "2026-01-01T00:00:00Z",
        **more,
    }


def run(world: TwoSites, check: bool = False, permit: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Retire once; return the summary."""
    summary, changed = retire.retire(unit(world, **more), "backup1", permit or world.permit(), world.secrets, check)
    return {**summary, "changed": changed}


def statuses(summary: dict[str, Any]) -> list[str]:
    return [line["status"] for line in summary["items"]]


def whole(world: TwoSites) -> None:
    """Assert that every record has its snapshots, nothing else is there, and everything reads."""
    records = world.store.load()
    needed = {name for one in records for name in (one["record_id"], one["payload"]["snapshot"], *one["parents"])}
    assert {snap["id"] for snap in world.snapshots()} == needed
    assert world.repository.check("all") == []
    assert world.store.pending() == {}


def at_miyun(world: TwoSites) -> Callable[..., dict[str, Any]]:
    """Return retirement as the second site's own administrator runs it, with his own rules and password."""
    records = str(world.base / "site-records")
    far = {"site": "miyun", "repository": world.far.location, "records": records, "needs_site": None}
    secrets = {"repository-miyun": {"password": FAR_PASSWORD}}

    def act(check: bool = False, **more: Any) -> dict[str, Any]:
        summary: dict[str, Any] = retire.retire(
            {**unit(world), **far, **more}, "miyun1", world.permit(), secrets, check
        )[0]
        return summary

    return act
