"""The newest backup of every item is proven at the second site, by a receipt that is kept whole."""

import json
import os
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.policy import no_driver

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
STORE = POLICY.estate.sites.local.path


def _read_all(host, folder):
    names = host.run(f"ls {folder}").stdout.split()
    return {name: json.loads(host.file(f"{folder}/{name}").content_string) for name in names if name.endswith(".json")}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_newest_backup_of_each_item_is_proven_there(host, system):
    with host.sudo():
        records = list(_read_all(host, f"{STORE}/{system}/records").values())
        receipts = _read_all(host, f"{STORE}/{system}/records/receipts")
    items = [item.id for item in POLICY.systems[system].items() if no_driver(item.engine) is None]
    held = [item for item in items if [record for record in records if record["item"] == item]]
    assert held, "there is no backup that could have been copied"
    for item in held:
        newest = max((one for one in records if one["item"] == item), key=lambda record: record["accepted_at"])
        proof = (newest["sync"] or {}).get("miyun")
        assert proof, f"{item}: record {newest['record_id'][:12]} has no proof from the second site"
        receipt = _receipt(receipts, proof)
        assert {proof["manifest"], proof["payload"], *proof["parents"].values()} <= set(receipt["snapshots"])


def _receipt(receipts, proof):
    (kept,) = [one for name, one in receipts.items() if name.removesuffix(".json") in proof["how"]]
    return json.loads(json.loads(kept["answer"])["receipt"])
