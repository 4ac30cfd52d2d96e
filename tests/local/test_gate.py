"""What the gate permits and refuses, with a real OpenBao and a real ledger, without Ansible."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.inventories import ESTATE, InventoryCopy
from tests.openbao import CANARY, RealVault
from yunwei import gate, locks, session
from yunwei.errors import (
    LedgerError,
    LockBusyError,
    RefusedError,
    UsageError,
    VaultForbiddenError,
    VaultMissingSecretError,
)
from yunwei.ledger.process import describe_self


def _intent(inventory: InventoryCopy, run_id: str = "r-1234") -> session.Intent:
    return session.Intent(run_id, "back-up", "back_up.yml", (inventory.folder,), check=False)


@pytest.fixture
def opened(inventory: InventoryCopy) -> Iterator[session.Session]:
    found = session.open_session(_intent(inventory))
    yield found
    if session.current():
        found.close()


def _open(opened: session.Session, job: str = "back-up", **more: Any) -> dict[str, Any]:
    """Open the gate and let the session see the permit, as the callback does."""
    found = gate.open_gate(gate.Request(job, **more), opened)
    opened.permits.append(found["permit"])
    return found


def test_without_a_session_there_is_no_run():
    with pytest.raises(RefusedError, match=r"No record, no run.*callback_plugins"):
        gate.require_session()


def test_the_permit_names_run_job_systems_and_rising_lock_numbers(opened: session.Session):
    found = _open(opened)
    permit = found["permit"]
    assert (permit["run_id"], permit["job"], permit["check"]) == ("r-1234", "back-up", False)
    assert permit["systems"] == ["legalservice", "mediation"]
    assert {system: locks.holder(opened.vault, system).number for system in permit["systems"]} == permit["locks"]
    assert found["work"]["mediation"]["repository"] == "/srv/backup/mediation/repo"


def test_a_second_gate_of_the_same_run_keeps_the_lock_numbers(opened: session.Session):
    assert _open(opened)["permit"]["locks"] == _open(opened)["permit"]["locks"]


def test_secrets_come_for_a_permit_of_this_run_and_for_no_other(opened: session.Session):
    permit = _open(opened, systems=["mediation"])["permit"]
    found = gate.fetch_secrets(permit, opened)
    assert list(found) == ["mediation"]
    assert found["mediation"]["repository-local"] == {"password": f"{CANARY}-mediation-repository-local"}
    for forged in ({**permit, "systems": ["legalservice"]}, {**permit, "job": "drill-restore"}, {}):
        with pytest.raises(RefusedError, match="was not issued by the gate of run r-1234"):
            gate.fetch_secrets(forged, opened)


def test_all_secrets_that_are_missing_are_named_at_once(bao: RealVault, opened: session.Session):
    permit = _open(opened, systems=["mediation"])["permit"]
    for host in ("app1", "db1"):
        bao.root.secrets.kv.v2.delete_latest_version_of_secret(f"systems/mediation/source-{host}", "yunwei")
    try:
        with pytest.raises(VaultMissingSecretError, match=r"(?s)source-app1 in Vault.*source-db1 in Vault"):
            gate.fetch_secrets(permit, opened)
    finally:
        for host in ("app1", "db1"):
            bao.put(f"systems/mediation/source-{host}", private_key=f"{CANARY}-mediation-source-{host}")


def test_a_timer_of_one_system_is_refused_for_all(bao: RealVault, inventory: InventoryCopy):
    inventory.edit(ESTATE, "engineer.json", "back-up-mediation.json")
    opened = session.open_session(_intent(inventory))
    with pytest.raises(VaultForbiddenError, match="approle:back-up-mediation may not use yunwei/data/locks/legal"):
        gate.open_gate(gate.Request("back-up"), opened)
    assert gate.open_gate(gate.Request("back-up", ["mediation"]), opened)["permit"]["locks"].keys() == {"mediation"}


def test_locks_taken_before_a_refusal_are_given_back(opened: session.Session):
    other = locks.Starter("r-other", "drill-restore", "userpass:somebody")
    locks.acquire(opened.vault, "mediation", other, 600)
    with pytest.raises(LockBusyError, match="job drill-restore, run r-other, started by userpass:somebody"):
        gate.open_gate(gate.Request("back-up"), opened)
    assert locks.holder(opened.vault, "legalservice") is None
    assert locks.holder(opened.vault, "mediation").run_id == "r-other"


def test_the_lock_of_a_run_that_died_here_is_taken_over_with_a_higher_number(opened: session.Session):
    body = {"run_id": "r-dead", "job": "back-up", "process": {**describe_self(), "start": 1}}
    opened.ledger.begin(body)
    dead = locks.acquire(opened.vault, "mediation", locks.Starter("r-dead", "back-up", "userpass:x"), 600)
    with pytest.raises(LockBusyError):  # nobody has recorded its death yet
        gate.open_gate(gate.Request("back-up", ["mediation"]), opened)
    opened.ledger.close_interrupted()
    assert _open(opened, systems=["mediation"])["permit"]["locks"]["mediation"] > dead.number


@pytest.mark.parametrize("job", ["list-backups", "list-heads", "verify-backups"])
def test_a_job_that_only_reads_runs_beside_others(opened: session.Session, job: str):
    locks.acquire(opened.vault, "mediation", locks.Starter("r-other", "back-up", "x"), 600)
    found = _open(opened, job, options={"site": "miyun", "part": "1/4"})
    assert found["permit"]["locks"] == {}
    work = found["work"]["mediation"]
    assert (work["site"], work["part"], work["remote"]["user"]) == ("miyun", "1/4", "miyun-read")
    assert sorted(gate.fetch_secrets(found["permit"], opened)["mediation"]) == ["miyun-read", "repository-miyun"]


def test_a_sync_shows_the_ledger_s_head_as_it_is_now(opened: session.Session):
    before = opened.ledger.head()
    opened.ledger.append("note", {})
    shown = _open(opened, "sync-to-miyun", systems=["mediation"])["work"]["mediation"]["head"]
    assert shown == vars(opened.ledger.head())
    assert shown["count"] == before.count + 1


def test_a_check_takes_no_lock(opened: session.Session):
    assert _open(opened, check=True)["permit"]["locks"] == {}
    assert locks.holder(opened.vault, "mediation") is None


def test_a_drill_knows_the_manifests_that_the_ledger_saw_accepted(opened: session.Session):
    states = ("accepted", "failed", "accepted, suspicious")
    items = [{"status": state, "manifest_sha256": name * 64} for state, name in zip(states, "abc", strict=True)]
    task = {"host": "backup1", "task": "t", "status": "ok", "yunwei": {"system": "mediation", "items": items}}
    for run_id, check in (("r-good", False), ("r-only-a-check", True)):
        opened.ledger.begin({"run_id": run_id, "process": describe_self()})
        opened.ledger.finish(run_id, {"status": "done", "check": check, "tasks": [task]})
    work = _open(opened, "drill", systems=["mediation"])["work"]["mediation"]
    assert work["accepted"] == ["a" * 64, "c" * 64]
    assert work["verified"] == []
    assert (work["mode"], work["site"], work["restore_id"]) == ("drill", "miyun", "r-1234")
    assert opened.permits[0]["job"] == "drill-restore"


@pytest.mark.parametrize(("site", "verified"), [("local", "ac"), ("miyun", "a")])
def test_a_restore_knows_the_copies_at_its_site_that_the_ledger_saw_verified(
    opened: session.Session, site: str, verified: str
):
    pulled = [
        {"status": state, "record": name * 64}
        for name, state in {"a": "accepted", "b": "failed", "c": "not due"}.items()
    ]
    copied = [{"status": "copied", "record": "a" * 64, "verified_at": "2026-01-01T00:00:00Z"}]
    copied += [{"status": "copied", "record": "c" * 64, "verified_at": None}]
    summaries = [{"items": pulled}, {"items": copied, "site": "miyun"}, {"items": copied, "site": "elsewhere"}]
    tasks = [{"host": "backup1", "status": "ok", "yunwei": {"system": "mediation", **one}} for one in summaries]
    opened.ledger.begin({"run_id": "r-good", "process": describe_self()})
    opened.ledger.finish("r-good", {"status": "done", "check": False, "tasks": tasks})
    work = _open(opened, "drill", systems=["mediation"], options={"site": site})["work"]["mediation"]
    assert work["verified"] == [name * 64 for name in verified]


def test_options_of_a_restore_that_do_not_exist_are_refused(opened: session.Session):
    with pytest.raises(UsageError, match=r"unknown options of recover-system: hots; known: .*hosts"):
        gate.open_gate(gate.Request("recover", ["mediation"], options={"hots": ["db1"]}), opened)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (gate.Request("bakc-up"), "Did you mean back-up"),
        (gate.Request("back-up", ["mediatoin"]), "no system 'mediatoin'.*mediation"),
        (gate.Request("list-backups", options={"site": "moon"}), "site 'moon' is not known"),
    ],
)
def test_a_name_that_does_not_exist_is_refused(opened: session.Session, request_: gate.Request, message: str):
    with pytest.raises(UsageError, match=message):
        gate.open_gate(request_, opened)
    assert locks.holder(opened.vault, "mediation") is None


def test_a_record_that_was_closed_meanwhile_permits_nothing(opened: session.Session):
    opened.ledger.finish("r-1234", {"status": "interrupted"})
    with pytest.raises(LedgerError, match=r"no open record of run r-1234 .interrupted was found"):
        gate.open_gate(gate.Request("back-up"), opened)
    with pytest.raises(LedgerError, match="used once"):
        opened.close()


def test_an_identity_that_may_not_sign_is_refused_and_recorded(bao: RealVault, inventory: InventoryCopy):
    bao.root.sys.create_or_update_policy("nothing", 'path "auth/token/revoke-self" { capabilities = ["update"] }')
    bao.approle("nobody", ["nothing", "default"])
    inventory.edit(ESTATE, "engineer.json", "nobody.json")
    with pytest.raises(VaultForbiddenError, match="transit/sign/ledger"):
        session.open_session(_intent(inventory))
    assert session.current() is None
    inventory.edit(ESTATE, "nobody.json", "engineer.json")
    opened = session.open_session(_intent(inventory, "r-5678"))
    assert [(row["status"], row["signed"]) for row in opened.ledger.list()] == [("refused", "later"), ("open", "yes")]
    opened.close()


def test_closing_gives_everything_back_and_signs(bao: RealVault, inventory: InventoryCopy):
    opened = session.open_session(_intent(inventory))
    _open(opened)
    assert opened.close() == []
    assert session.current() is None
    record = opened.ledger.find_run("r-1234")
    assert (record["status"], record["signed"], record["permits"][0]["job"]) == ("done", "yes", "back-up")
    assert locks.holder(bao.client(), "mediation") is None


def test_an_end_that_vault_cannot_sign_is_recorded_all_the_same(bao: RealVault, inventory: InventoryCopy):
    opened = session.open_session(_intent(inventory))
    _open(opened, systems=["mediation"])
    bao.seal()
    try:
        warnings = opened.close()
    finally:
        bao.unseal()
    assert ["not signed yet" in warnings[0], "lock of mediation stays" in warnings[1], len(warnings)] == [True, True, 3]
    assert opened.ledger.find_run("r-1234")["signed"] == "no"


def test_token_and_locks_are_prolonged_while_one_task_lasts(bao: RealVault, inventory: InventoryCopy):
    seconds = 6
    bao.approle("brief", ["back-up-mediation"], ttl=f"{seconds}s")
    inventory.edit(ESTATE, "engineer.json", "brief.json")
    opened = session.open_session(_intent(inventory))
    number = _open(opened, systems=["mediation"])["permit"]["locks"]["mediation"]
    first, began = opened.vault.cas_read("locks/mediation").version, time.monotonic()
    while time.monotonic() < began + 2 * seconds:
        assert opened.vault.cas_read("locks/mediation").version >= first
        time.sleep(0.2)
    assert opened.vault.cas_read("locks/mediation").version >= first + 3
    assert locks.holder(opened.vault, "mediation").number == number
    assert opened.close() == []
    assert locks.holder(bao.client(), "mediation") is None
