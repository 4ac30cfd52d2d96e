"""The copy to the second site when that site is away before, during or after, and what an appender can do there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.conftest import Lab
from tests.lab.test_back_up import NOW, SYSTEM, _await, _beside, records

pytestmark = pytest.mark.lab

SYNC = ("run", "sync-to-miyun", "--system", SYSTEM)
STORE = f"/srv/miyun/{SYSTEM}"


def unproven(lab: Lab) -> list[str]:
    return [one["record_id"] for one in records(lab) if not (one["sync"] or {}).get("miyun")]


def far_snapshots(lab: Lab) -> set[str]:
    return set(lab.podman("miyun1", "ls", f"{STORE}/snapshots").stdout.split())


@pytest.fixture
def fresh(lab):
    """Backups that are not at the second site yet."""
    if not unproven(lab):
        lab.plain("back-up", [SYSTEM], now=True)
    return unproven(lab)


@pytest.fixture
def large(lab):
    """The same with so much that is new that the copy takes a while."""
    lab.podman("legacy1", "sh", "-c", "head -c 150000000 /dev/urandom >/srv/portal/large")
    try:
        lab.plain("back-up", [SYSTEM], now=True)
        yield unproven(lab)
    finally:
        lab.podman("legacy1", "rm", "/srv/portal/large")


def bytes_flow(lab: Lab) -> None:
    """Wait until the copy is under way: its first pack arrives."""
    before = _packs(lab)
    _await(lambda: _packs(lab) != before)


def _packs(lab: Lab) -> str:
    return lab.podman("miyun1", "find", f"{STORE}/data", "-type", "f", check=False).stdout


def test_what_is_copied_is_proven_once_and_only_once(lab, fresh):
    done = lab.json(*SYNC)
    assert {item["status"] for item in done["items"]} == {"copied"}
    assert {item["record"] for item in done["items"]} == set(fresh)
    assert done["verification"]["verdict"] == "passed"
    there = far_snapshots(lab)
    for item in done["items"]:
        assert {item["site_record"], item["site_payload"]} <= there
        assert item["verified_at"]
    again = lab.json(*SYNC)
    assert again["items"] == []
    assert again["hosts"]["backup1"]["changed"] == 0
    assert far_snapshots(lab) == there


@pytest.mark.long
def test_a_plan_copies_nothing(lab, fresh):
    before = far_snapshots(lab)
    planned = lab.json("plan", *SYNC[1:])
    assert {item["status"] for item in planned["items"]} == {"would copy"}
    assert far_snapshots(lab) == before
    assert unproven(lab) == fresh


def test_the_site_is_away_before(lab, fresh):
    lab.engine("stop", "-t", "2", "miyun1")
    try:
        found = lab.run(*SYNC, "--json")
    finally:
        _start_miyun(lab)
    assert found.returncode == 1
    assert "site miyun cannot be reached" in found.stdout
    assert unproven(lab) == fresh


def test_the_site_goes_away_during(lab, large):
    def cut() -> None:
        bytes_flow(lab)
        lab.engine("stop", "-t", "0", "miyun1")

    found = _beside(cut, lambda: lab.run(*SYNC, "--json"))
    _start_miyun(lab)
    assert found.returncode == 1
    assert "was cut" in found.stdout
    assert unproven(lab) == large
    lab.json(*SYNC)
    assert unproven(lab) == []


def test_the_site_is_away_when_the_receipt_is_due(lab, fresh):
    program = "/usr/libexec/yunwei/miyun_receipt.py"
    lab.podman("miyun1", "mv", program, program + ".aside")
    try:
        found = lab.run(*SYNC, "--json")
    finally:
        lab.podman("miyun1", "mv", program + ".aside", program)
    assert found.returncode == 1
    assert "gave no receipt" in found.stdout
    assert unproven(lab) == fresh, "without a receipt nothing counts as verified"
    done = lab.json(*SYNC)
    assert {item["status"] for item in done["items"]} == {"verified"}
    assert unproven(lab) == []


@pytest.mark.long
def test_damage_at_the_site_is_found_and_nothing_new_counts(lab, fresh):
    lab.json(*SYNC)
    lab.json(*NOW)
    newest = unproven(lab)
    pack = lab.podman("miyun1", "sh", "-c", f"ls -S {STORE}/data/*/* | head -1").stdout.strip()
    lab.podman("miyun1", "cp", "-a", pack, "/root/kept")
    flip = f"p={pack!r}; d=bytearray(open(p,'rb').read()); d[500]^=1; open(p,'wb').write(d)"
    lab.podman("miyun1", "python3", "-c", flip)
    try:
        found = lab.run(*SYNC, "--json")
    finally:
        lab.podman("miyun1", "cp", "-a", "/root/kept", pack)
    assert found.returncode == 1
    assert pack.rsplit("/", 1)[1] in found.stdout
    assert unproven(lab) == newest
    lab.json(*SYNC)


@pytest.mark.long
def test_a_killed_module_is_gone_on_with_by_the_same_command(lab, large):
    def kill_it() -> None:
        bytes_flow(lab)
        pid = lab.podman("backup1", "pgrep", "-f", "restic .*copy").stdout.split()[0]
        module = lab.podman("backup1", "ps", "-o", "ppid=", "-p", pid).stdout.strip()
        lab.podman("backup1", "kill", "-9", module)

    _beside(kill_it, lambda: lab.json(*SYNC, expect=1))
    lab.json(*SYNC)
    assert unproven(lab) == []
    assert lab.podman("miyun1", "ls", "-A", f"{STORE}/locks").stdout == ""


@pytest.mark.long
def test_verify_reads_the_copy_back(lab):
    lab.json(*NOW)
    lab.json(*SYNC)
    done = lab.json("backups", "verify", "--site", "miyun", "--all", "--system", SYSTEM)
    (result,) = _results(done)
    assert (result["verdict"], result["read"], result["damage"]) == ("passed", "all", [])


def _results(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["yunwei"] for one in document["results"] if "verdict" in one["yunwei"]]


def _start_miyun(lab: Lab) -> None:
    lab.engine("start", "miyun1")
    _await(lambda: lab.podman("miyun1", "systemctl", "is-active", "ssh", check=False).stdout.strip() == "active")
