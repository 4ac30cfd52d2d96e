"""The ledger's heads at the second site: shown by a sync, signed by that site, fetched, held against the ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab.conftest import Lab
from tests.lab.test_back_up import SYSTEM
from tests.ledger_attacks import cut_tail
from yunwei import ledger

pytestmark = pytest.mark.lab

SYNC = ("run", "sync-to-miyun", "--system", SYSTEM)


@pytest.fixture(scope="module")
def shown(lab: Lab) -> dict[str, object]:
    """Return the head that a sync had countersigned."""
    lab.plain("back-up", [SYSTEM])
    (head,) = [result["yunwei"]["head"] for result in lab.json(*SYNC)["results"]]
    return dict(head)


@pytest.fixture
def cut(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a controller whose ledger lost all but its first records."""
    copy = tmp_path / "ledger.sqlite"
    shutil.copy(ledger.default_location(), copy)
    cut_tail(copy, 4)
    return {"YUNWEI_LEDGER": str(copy)}


def test_a_sync_shows_the_head_and_what_the_site_saw_proves_the_ledger(lab, shown, cut, tmp_path):
    heads = tmp_path / "heads.jsonl"
    fetched = lab.json("evidence", "witness", "-o", str(heads))
    assert (fetched["newest"]["head"]["count"], fetched["newest"]["head"]["hash"]) == (shown["count"], shown["hash"])
    assert fetched["newest"]["time"] == shown["time"]
    result = lab.json("evidence", "verify", "--witness", str(heads))
    assert (result["ok"], result["witnessed"]) == (True, shown["count"])
    assert result["not_witnessed"] > 0, "the end of that very sync came after the head that it showed"
    assert lab.run("evidence", "verify", env=cut).returncode == 4
    caught = lab.run("evidence", "verify", "--witness", str(heads), env=cut)
    assert (caught.returncode, "BAD: record 5" in caught.stdout) == (1, True), caught.stdout


def test_a_controller_with_a_cut_ledger_is_refused_at_the_site(lab, shown, cut):
    refused = lab.run(*SYNC, "--json", env=cut)
    assert refused.returncode == 1
    assert f"the head goes backwards: this site saw {shown['count']} records" in refused.stdout
    kept = f"/srv/miyun_heads/{SYSTEM}.jsonl"
    assert lab.podman("miyun1", "tail", "-n", "1", kept).stdout.count(str(shown["hash"])) == 1


def test_no_account_that_ssh_reaches_can_write_the_list(lab, shown):
    kept = f"/srv/miyun_heads/{SYSTEM}.jsonl"
    before = lab.podman("miyun1", "cat", kept).stdout
    for account in ("miyun-append", "miyun-read"):
        for attempt in (f"echo >> {kept}", f"rm -f {kept}", f"mv {kept} {kept}.away", "touch /srv/miyun_heads/new"):
            done = lab.podman("miyun1", "runuser", "-u", account, "--", "sh", "-c", attempt, check=False)
            assert done.returncode != 0, (account, attempt)
    assert lab.podman("miyun1", "cat", kept).stdout == before
