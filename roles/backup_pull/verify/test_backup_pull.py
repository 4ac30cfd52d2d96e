"""Every item that is due has a proven backup whose snapshots are in the repository, and nothing is left lying about."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.policy import no_driver

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
# When the job began: what falls due while it runs, or before it is proven, is the next run's.
AS_OF = datetime.fromisoformat(os.environ.get("YUNWEI_AS_OF") or datetime.now(UTC).isoformat())
STORE = POLICY.estate.sites.local.path
ITEMS = [
    (system, item) for system in SYSTEMS for item in POLICY.systems[system].items() if no_driver(item.engine) is None
]


def _names(host, folder):
    return host.run(f"ls -A {folder}").stdout.split()


def _records(host, system):
    folder = f"{STORE}/{system}/records"
    text = host.check_output(f"find {folder} -maxdepth 1 -name '*.json' -exec cat {{}} +")
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        text = text.lstrip()
        record, end = decoder.raw_decode(text)
        found.append(record)
        text = text[end:]
    return found


def _moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize(("system", "item"), ITEMS, ids=lambda value: getattr(value, "id", value))
def test_each_item_has_a_proven_backup_since_it_was_due(host, system, item):
    with host.sudo():
        ours = [record for record in _records(host, system) if record["item"] == item.id and not record.get("damaged")]
        assert ours, "no accepted backup at all"
        newest = max(ours, key=lambda record: record["accepted_at"])
        assert _moment(newest["started"]) >= item.schedule.last_scheduled(AS_OF, POLICY.estate.zone)
        assert newest["verified"]["sha256"] == newest["payload"]["sha256"]
        snapshots = _names(host, f"{STORE}/{system}/repo/snapshots")
        for name in [newest["record_id"], newest["payload"]["snapshot"], *newest["parents"]]:
            assert name in snapshots


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_is_half_done(host, system):
    with host.sudo():
        notes = set(_names(host, f"{STORE}/{system}/records/pending"))
        assert notes - {"sync.json"} == set()  # that one is of the copy to the second site
        assert _names(host, f"{STORE}/{system}/repo/locks") == []
        folders = [f"/dev/shm/{name}" for name in _names(host, "/dev/shm") if name.startswith(f"yunwei-run-{system}-")]  # noqa: S108  (tmpfs by nature)
        # The folder of a run that is at work is held by a lock.
        assert [path for path in folders if host.run(f"flock -n {path} true").rc == 0] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_repository_is_readable_by_restores_and_writable_by_root_alone(host, system):
    with host.sudo():
        config = host.file(f"{STORE}/{system}/repo/config")
        assert (config.user, config.group, config.mode & 0o027) == ("root", "yunwei-read", 0)
        assert config.mode & 0o040
        assert host.file(f"{STORE}/{system}/records").mode & 0o007 == 0
