"""The second site's own statement of which copies lie there: signed, of what a receipt found good, never too new."""

import json
import os
import subprocess
import sys

import pytest

from tests.pull_world import TwoSites
from yunwei.paths import content_root

FILES = content_root() / "roles" / "miyun_site" / "files"
BOOT = """
import sys
sys.path.insert(0, {folder!r})
import miyun_copies, miyun_receipt
miyun_receipt.STORE, miyun_receipt.KEY = {base!r} + "/miyun", {base!r} + "/receipt_key"
miyun_receipt.REMEMBERED, miyun_copies.COPIES = {base!r} + "/remembered", {base!r} + "/copies"
miyun_copies.main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two items, backed up, copied and told."""
    with pytest.MonkeyPatch.context() as patch:
        made = TwoSites(tmp_path_factory.mktemp("proven"), patch)
        made.back_up()
        made.first = made.sync()
        yield made


def statement(world):
    kept = json.loads((world.base / "copies" / "mediation.json").read_text())
    assert kept["signature"].startswith("-----BEGIN SSH SIGNATURE-----")
    return json.loads(kept["copies"])


def claim(world, *words):
    """Ask the site's program as an appender can."""
    boot = BOOT.format(folder=str(FILES), base=str(world.base))
    command = [sys.executable, "-B", "-c", boot, "mediation", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_sync_leaves_a_signed_statement_of_the_newest_copy_of_each_item(world):
    found = statement(world)
    assert (found["site"], found["system"]) == ("miyun", "mediation")
    newest = {record["item"]: record for record in world.store.load()}
    assert set(found["copies"]) == set(newest) == {"database:main", "files:app"}
    for item, copy in found["copies"].items():
        assert copy["snapshot"] == newest[item]["sync"]["miyun"]["manifest"]
        assert copy["claimed"][:16] == newest[item]["snapshot_at"][:16]
    assert world.first["copies"] == {"items": sorted(newest), "time": found["time"], "refused": None}


def test_a_claimed_time_stands_beside_the_arrival_that_cannot_be_claimed(world):
    copy = statement(world)["copies"]["database:main"]
    before = (world.base / "copies" / "mediation.json").read_text()
    done = claim(world, "database:main", "2099-01-01T00:00:00Z", copy["snapshot"])
    found = json.loads(json.loads(done.stdout)["copies"])["copies"]["database:main"]
    assert found["claimed"] == "2099-01-01T00:00:00Z"
    assert found["arrived"] == copy["arrived"]
    (world.base / "copies" / "mediation.json").write_text(before)


def test_what_no_receipt_found_good_is_not_signed(world):
    copy = statement(world)["copies"]["database:main"]
    absent = claim(world, "database:main", copy["claimed"], f"{copy['snapshot']},{'ab' * 32}")
    assert f"snapshot {'ab' * 32} is not here" in absent.stderr
    path = world.base / "miyun" / "mediation" / "snapshots" / copy["snapshot"]
    kept = os.stat(path)
    os.utime(path, (2_000_000_000, 2_000_000_000))
    touched = claim(world, "database:main", copy["claimed"], copy["snapshot"])
    assert (touched.returncode, touched.stdout) == (1, "")
    assert "was not found good by a receipt" in touched.stderr
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert world.sync()["copies"]["refused"] is None


@pytest.mark.parametrize("item", ["database:main", "files:app", "logs:web-1.example"])
def test_a_copy_of_every_kind_of_item_is_signed(world, item):
    copy = statement(world)["copies"]["database:main"]
    before = (world.base / "copies" / "mediation.json").read_text()
    done = claim(world, item, copy["claimed"], copy["snapshot"])
    assert (done.returncode, done.stderr) == (0, "")
    assert item in json.loads(json.loads(done.stdout)["copies"])["copies"]
    (world.base / "copies" / "mediation.json").write_text(before)


@pytest.mark.parametrize(
    "words",
    [
        ("database:main", "2026-12-01T00:00:00Z"),
        ("../heads", "2026-12-01T00:00:00Z", "ab" * 32),
        ("database:main", "2026-12-01", "ab" * 32),
        ("database:main", "2026-12-01T00:00:00Z", "../../receipt_key"),
    ],
)
def test_other_words_are_refused(world, words):
    done = claim(world, *words)
    assert done.returncode == 1
    assert done.stderr.startswith("miyun_copies: usage: ")


def test_a_statement_of_other_items_fails_the_sync_and_spoils_no_proof(world):
    world.site_misbehaves(fault="other copies")
    summary = world.sync()
    world.site_misbehaves()
    assert summary["verdict"] == "failed"
    assert "statement is of other items" in summary["copies"]["refused"]
    assert all(record["sync"]["miyun"]["verified_at"] for record in world.store.load())
