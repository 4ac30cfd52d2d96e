"""Records and repository agree after a retirement, and what must not go is there."""

import json
import os
from pathlib import Path

import pytest

from yunwei import policy

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
STORE = POLICY.estate.sites.local.path


def _records(host, system):
    folder = f"{STORE}/{system}/records"
    names = [name for name in host.run(f"ls {folder}").stdout.split() if name.endswith(".json")]
    return [json.loads(host.file(f"{folder}/{name}").content_string) for name in names]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_record_has_all_of_its_snapshots(host, system):
    with host.sudo():
        records = _records(host, system)
        snapshots = set(host.run(f"ls {STORE}/{system}/repo/snapshots").stdout.split())
    assert records, "there is no backup at all"
    for record in records:
        assert {record["record_id"], record["payload"]["snapshot"], *record["parents"]} <= snapshots


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_payload_is_kept_that_no_record_needs(host, system):
    with host.sudo():
        records = _records(host, system)
        snapshots = set(host.run(f"ls {STORE}/{system}/repo/snapshots").stdout.split())
        pending = host.run(f"ls {STORE}/{system}/records/pending").stdout.split()
    needed = {name for one in records for name in (one["record_id"], one["payload"]["snapshot"], *one["parents"])}
    assert snapshots <= needed, "snapshots that no record names: somebody should look at them"
    assert pending == []
