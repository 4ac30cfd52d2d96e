"""A whole inspection: `yunwei inspect backup-sites` against a real OpenBao, two sites over SSH, and a real ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.estates import make_inventory
from tests.forced_ssh import ForcedSsh
from tests.inventories import ESTATE, InventoryCopy
from tests.openbao import RealVault
from tests.site_tree import GATE, SiteTree
from yunwei.cli import main
from yunwei.lab import keys
from yunwei.ledger import Ledger

SIGNING = ("miyun_receipt.py", "miyun_reread.py", "miyun_head.py", "miyun_copies.py")
APPENDING = ("append_session.py", "append_rules.py", "hpack.py", "site_limits.py")
RULES = {
    "items": ["database:mediation", "files:app"],
    "keep": {"last": 3, "daily": 30, "weekly": 12, "monthly": 12, "yearly": 0},
    "max_removals": 20,
    "permission": {"reference": "LAB-CONSENT-2026-02", "expires": "2027-12-31"},
    "legal_holds": [],
    "timezone": "Asia/Shanghai",
}


@dataclass
class World:
    """Both sites, the inventory that names them, and the command a user would type."""

    bao: RealVault
    inventory: InventoryCopy
    local: SiteTree
    miyun: SiteTree
    servers: dict[str, ForcedSsh]
    folder: Path
    append_key: str
    capture: Callable[[], Any]

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.folder / "state" / "ledger.sqlite")

    def inspect(self, *words: str, expect: int) -> dict[str, Any]:
        """Inspect the mediation system and return the document."""
        self.capture()
        code = main(["inspect", "backup-sites", "--system", "mediation", "-i", str(self.inventory.folder),
                     "-o", str(self.folder / "out"), "--json", *words])  # fmt: skip
        said = self.capture()
        assert code == expect, said.out[-3000:] + said.err
        document: dict[str, Any] = json.loads(said.out)
        return document

    def record_jobs(self) -> None:
        """Record that the jobs of the schedule ran well."""
        probe = {"at": datetime.now(UTC).isoformat(), "refused": True, "fault": None, "tries": []}
        tasks = [{"status": "ok", "yunwei": {"system": "mediation", "probe": probe}}]
        for job in ("back-up", "sync-to-miyun"):
            body = {"job": job, "check": False, "exit_code": 0, "permits": [{"systems": ["mediation"]}], "tasks": tasks}
            self.ledger.append("run-end", {**body, "status": "done"})


@pytest.fixture
def world(bao: RealVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Iterator[World]:
    local = SiteTree(tmp_path / "local", ("repository_gate.py", "site_facts.py"))
    miyun = SiteTree(tmp_path / "miyun", ("repository_gate.py", "site_facts.py", *SIGNING, *APPENDING))
    servers = {
        name: ForcedSsh(site.folder / "var/lib", GATE, site.gate) for name, site in (("local", local), ("miyun", miyun))
    }
    held = {name: bao.client().read(f"systems/mediation/{name}") for name in ("local-read", "miyun-read")}
    append = keys.generate("append")[1]
    try:
        _furnish(bao, tmp_path, local, miyun, append)
        inventory = _inventory(bao, tmp_path, servers)
        monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
        found = World(bao, inventory, local, miyun, servers, tmp_path, append, capsys.readouterr)
        found.record_jobs()
        yield found
    finally:
        for server in servers.values():
            server.close()
        for name, data in held.items():
            bao.put(f"systems/mediation/{name}", **data)


def _furnish(bao: RealVault, tmp_path: Path, local: SiteTree, miyun: SiteTree, append: str) -> None:
    """Put a repository, host keys, our keys, a receipt key and rules where the roles put them."""
    public = {}
    for name in ("local-read", "miyun-read"):
        private, public[name] = keys.generate(name)
        bao.put(f"systems/mediation/{name}", private_key=private, public_key=public[name])
    here, there = local.repository("mediation"), miyun.repository("mediation")
    local.authorize("yunwei-read", local.line("read", "mediation", public["local-read"], here))
    miyun.authorize("miyun-read", miyun.line("read", "mediation", public["miyun-read"], there))
    miyun.authorize("miyun-append", miyun.line("append", "mediation", append, there))
    for site in (local, miyun):
        site.write("etc/ssh/ssh_host_ed25519_key.pub", keys.generate("host")[1])
    miyun.write("var/lib/miyun-sign/receipt_key.pub", keys.generate("receipt")[1])
    miyun.show_rules("mediation", RULES)
    miyun.write("etc/yunwei/site_limits/mediation.json", json.dumps({"quota_bytes": 1 << 30}))
    miyun.write("var/lib/miyun-sign/pins/mediation.json", json.dumps(["a" * 64]))
    public_folder = tmp_path / "public" / "mediation"
    public_folder.mkdir(parents=True)
    (public_folder / "miyun-append.pub").write_text(append, encoding="utf-8")


def _inventory(bao: RealVault, tmp_path: Path, servers: dict[str, ForcedSsh]) -> InventoryCopy:
    copy = make_inventory(bao, tmp_path)
    copy.edit("hosts.yml", "ansible_host: 198.51.100.11\n",
              f"ansible_host: 127.0.0.1\n          ansible_port: {servers['local'].port}\n")  # fmt: skip
    copy.edit(ESTATE, "address: 198.51.100.139\n    port: 22", f"address: 127.0.0.1\n    port: {servers['miyun'].port}")
    copy.edit(ESTATE, "/dev/shm/yunwei-lab-demo/public", str(tmp_path / "public"))
    copy.write(ESTATE, (copy.folder / ESTATE).read_text(encoding="utf-8") + GENEROUS)
    copy.known_hosts.write_text("".join(f"{server.pin}\n" for server in servers.values()), encoding="utf-8")
    copy.receipt_key.write_bytes((tmp_path / "miyun/var/lib/miyun-sign/receipt_key.pub").read_bytes())
    return copy


# This machine's own disks, memory and load are not what is tried here.
GENEROUS = """
inspection: {free_percent: 1, memory_percent: 1, load_per_cpu: 1000.0, clock_seconds: 3600}
"""


def wrong(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["place"], one["status"], one["cause"]) for one in document["checks"]
            if one["status"] in ("finding", "unknown")}  # fmt: skip


def test_all_that_is_in_order_is_told_and_recorded_with_the_report_s_digest(world: World):
    document = world.inspect(expect=0)
    assert wrong(document) == set()
    assert {one["what"] for one in document["checks"]} >= {
        "reach", "clock", "load", "memory", "disk", "growth", "hostkey", "size", "newest", "lock", "hostlock", "keys",
        "quota", "probe",
        "access", "programs", "accounts", "receipt", "authorized", "rules", "job", "certificate",
    }  # fmt: skip
    entries = {entry.kind: entry for entry in world.ledger.entries()}
    record = entries["inspection"].body
    text = (world.folder / "out" / "inspect.json").read_bytes()
    assert json.loads(text) == document
    assert record["document_sha256"] == hashlib.sha256(text).hexdigest()
    assert record["verdict"] == document["verdict"] == "passed"
    run = world.ledger.find_run(document["evidence_id"])
    assert run is not None
    assert (run["status"], run["exit_code"], run["job"], run["signed"]) == ("done", 0, "inspect-backup-sites", "yes")
    assert world.ledger.verify([world.bao.client().public_key()]).ok
    assert "备份站点巡检报告" in (world.folder / "out" / "inspect.html").read_text(encoding="utf-8")


def test_neither_key_nor_token_is_left_anywhere(world: World):
    world.inspect(expect=0)
    secret = world.bao.client().read("systems/mediation/miyun-read")["private_key"].splitlines()[1]
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if secret.encode() in path.read_bytes() or b"hvs." in path.read_bytes()] == []


def test_only_reading_keys_are_fetched_and_no_lock_is_taken(world: World):
    before = len(world.bao.audit())
    world.inspect(expect=0)
    paths = [entry["request"]["path"] for entry in world.bao.audit()[before:]]
    assert [path for path in paths if path.startswith("yunwei/")] == [
        "yunwei/data/systems/mediation/local-read",
        "yunwei/data/systems/mediation/miyun-read",
    ]
    assert paths[-1] == "auth/token/revoke-self"


def test_a_key_that_the_site_has_not_pinned_is_found_every_time_and_a_spent_quota_too(world: World):
    (world.miyun.folder / "srv/mediation/keys" / ("e" * 64)).write_bytes(b"a key more")
    world.miyun.write("etc/yunwei/site_limits/mediation.json", json.dumps({"quota_bytes": 20000}))
    for _ in range(2):
        found = wrong(world.inspect("--site", "miyun", expect=1))
        assert found == {("miyun/mediation", "finding", cause) for cause in ("keys_unpinned", "quota_spent")}


def test_growth_is_measured_against_the_last_inspection_and_a_changed_key_set_is_found_once(world: World):
    first = world.inspect(expect=0)
    assert {one["cause"] for one in first["checks"]} >= {"keys_first", "size_first", "growth_first"}
    repository = world.local.folder / "srv/mediation"
    (repository / "keys" / ("e" * 64)).write_bytes(b"a key more")
    second = world.inspect(expect=1)
    assert ("local/mediation", "finding", "keys_changed") in wrong(second)
    changed = next(one for one in second["checks"] if one["cause"] == "keys_changed")
    assert (changed["severity"], changed["values"]) == ("high", {"added": ["e" * 12], "gone": []})
    assert "intrusion" in changed["advice"]
    assert wrong(world.inspect(expect=0)) == set()


def test_drift_of_rules_keys_programs_and_receipt_key_is_found(world: World):
    world.miyun.show_rules("mediation", {**RULES, "keep": {**RULES["keep"], "daily": 7}})  # type: ignore[dict-item]
    world.miyun.authorize("miyun-append", keys.generate("stranger")[1])
    world.miyun.write("usr/libexec/yunwei/repository_gate.py", "# another gate\n")
    world.miyun.write("var/lib/miyun-sign/receipt_key.pub", keys.generate("another")[1])
    found = wrong(world.inspect("--site", "miyun", expect=1))
    assert found == {
        ("miyun", "finding", "programs_differ"),
        ("miyun", "finding", "accounts_foreign"),
        ("miyun", "finding", "receipt_differs"),
        ("miyun/mediation", "finding", "authorized_differs"),
        ("miyun/mediation", "finding", "rules_differ"),
    }


def test_a_site_that_shows_another_host_key_is_not_reached(world: World):
    pins = world.inventory.known_hosts.read_text(encoding="utf-8")
    other = " ".join(keys.generate("other")[1].split()[:2])
    world.inventory.known_hosts.write_text(pins.replace(world.servers["miyun"].host_key, other), encoding="utf-8")
    assert wrong(world.inspect(expect=4)) == {("miyun/mediation", "unknown", "reach_not")}


def test_a_site_whose_key_is_revoked_is_not_reached_though_it_is_pinned_too(world: World):
    with world.inventory.known_hosts.open("a", encoding="utf-8") as stream:
        stream.write(f"@revoked {world.servers['miyun'].pin}\n")
    assert wrong(world.inspect(expect=4)) == {("miyun/mediation", "unknown", "reach_not")}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("echo '{}'", "Field required"),
        ("printf '\\033]0;owned\\007'", "not what its program writes"),
        ("echo 'no space' >&2; exit 1", "was refused: no space"),
        ("yes | head -c 6000000", "longer than 4194304 bytes"),
    ],
)
def test_a_hostile_answer_is_no_answer(world: World, answers: str, said: str):
    script = world.folder / "hostile.sh"
    script.write_text(f"{answers}\n", encoding="utf-8")
    world.servers["miyun"].program = f"/bin/sh {script}"
    document = world.inspect("--site", "miyun", expect=4)
    [line] = [one for one in document["checks"] if one["cause"] == "reach_not"]
    assert said in line["evidence"]
    assert "\x1b" not in line["evidence"]


def test_an_answer_about_another_system_is_no_answer(world: World):
    other = f"{world.miyun.gate} read legalservice {world.miyun.repository('legalservice')}"
    script = world.folder / "other.sh"
    script.write_text(f"exec {other}\n", encoding="utf-8")
    world.servers["miyun"].program = f"/bin/sh {script}"
    [line] = [one for one in world.inspect(expect=4)["checks"] if one["cause"] == "reach_not"]
    assert "answered about 'legalservice'" in line["evidence"]


def test_a_site_that_does_not_answer_ends_with_exit_4_and_the_other_is_still_inspected(world: World):
    world.servers["miyun"].close()
    document = world.inspect(expect=4)
    assert wrong(document) == {("miyun/mediation", "unknown", "reach_not")}
    assert ("local", "good") in {(one["place"], one["status"]) for one in document["checks"]}


def test_a_person_reads_the_verdict_and_what_to_do(world: World, capsys: Any):
    (world.local.folder / "srv/mediation/config").unlink()
    words = ["inspect", "backup-sites", "--site", "local", "--system", "mediation", "--lang", "en"]
    assert main([*words, "-i", str(world.inventory.folder), "-o", str(world.folder / "out")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("Findings · lab")
    assert "there is no repository here yet" in said
    assert "Next: Run back-up" in said
