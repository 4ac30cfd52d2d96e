"""`yunwei locks` against a real OpenBao and a real ledger: who holds what, and a release that is never silent."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.inventories import ESTATE, InventoryCopy
from tests.openbao import RealVault
from yunwei import locks
from yunwei.cli import main
from yunwei.ledger import Ledger
from yunwei.ledger.process import describe_self
from yunwei.vault import VaultClient

REASON = "the controller ops2 burnt down"


@pytest.fixture
def vault(bao: RealVault, inventory: InventoryCopy) -> VaultClient:
    return bao.client()


def _hold(vault: VaultClient, run_id: str = "r-holder", lease: int = 600) -> locks.LockHeld:
    return locks.acquire(vault, "mediation", locks.Starter(run_id, "back-up", "userpass:somebody"), lease)


def _release(inventory: InventoryCopy, capsys: Any, *words: str, expect: int = 0) -> dict[str, Any]:
    """Release the lock of mediation and return the one document."""
    command = ["locks", "release", "mediation", "--reason", REASON, "-i", str(inventory.folder), "--json", *words]
    assert main(command) == expect
    return dict(json.loads(capsys.readouterr().out))


def _last() -> dict[str, Any]:
    ledger = Ledger.open()
    return ledger.show(ledger.list()[-1]["id"])


def test_the_list_names_holder_run_job_times_and_number(inventory, vault, capsys):
    held = _hold(vault)
    assert main(["locks", "list", "-i", str(inventory.folder), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {name: row[name] for name in ("system", "who", "run_id", "job", "since", "number", "lease_over")} == {
        "system": "mediation",
        "who": "userpass:somebody",
        "run_id": "r-holder",
        "job": "back-up",
        "since": held.since,
        "number": held.number,
        "lease_over": False,
    }
    assert row["lease_end"] > row["since"]
    assert main(["locks", "list", "-i", str(inventory.folder), "--system", "mediation"]) == 0
    assert "r-holder" in capsys.readouterr().out
    assert main(["locks", "list", "-i", str(inventory.folder), "--system", "legalservice"]) == 0
    assert "no lock is held; systems looked at: legalservice" in capsys.readouterr().out
    assert Ledger.open().list() == []


def _listed(inventory: InventoryCopy, capsys: Any) -> dict[str, Any]:
    """Return the one lock that the list shows."""
    assert main(["locks", "list", "-i", str(inventory.folder), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    return dict(row)


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        (None, ("unknown", "its own end, or that of its lease; where")),
        ({"host": "ops2"}, ("unknown", "is dead: yunwei locks release mediation --reason")),
        ({}, ("alive", "on this controller, Ctrl-C ends it")),
        ({"start": 1}, ("ended", "the next run on this controller; or: yunwei locks release mediation --reason")),
    ],
)
def test_the_list_says_whether_the_run_lives_and_what_gives_its_lock_back(inventory, vault, capsys, process, expected):
    state, way = expected
    if process is not None:
        Ledger.open().begin({"run_id": "r-holder", "job": "back-up", "process": {**describe_self(), **process}})
    _hold(vault)
    row = _listed(inventory, capsys)
    assert (row["place"], row["run_state"], row["pid"]) == (
        "vault",
        state,
        describe_self()["pid"] if state == "alive" else None,
    )
    assert way in row["released_by"]
    if process is not None:
        assert Ledger.open().find_run("r-holder")["status"] == "open", "looking changes nothing"


def test_a_run_that_has_ended_by_the_ledger_and_left_its_lock_is_told(inventory, vault, capsys):
    ledger = Ledger.open()
    ledger.begin({"run_id": "r-holder", "job": "back-up", "process": describe_self()})
    ledger.finish("r-holder", {"status": "failed", "exit_code": 1})
    _hold(vault)
    assert _listed(inventory, capsys)["run_state"] == "ended"


def test_a_ledger_that_cannot_be_read_hides_no_lock(inventory, vault, capsys, monkeypatch):
    _hold(vault)
    monkeypatch.setenv("YUNWEI_LEDGER", "/proc/no/ledger.sqlite")
    assert main(["locks", "list", "-i", str(inventory.folder), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)[0]["run_state"] == "unknown"
    assert "whether a run is alive is not known" in said.err


def test_a_release_says_in_ledger_and_vault_who_released_which_lock_and_why(inventory, vault, capsys):
    held = _hold(vault)
    done = _release(inventory, capsys)
    assert locks.look(vault, "mediation") is None
    record = _last()
    assert (record["job"], record["status"], record["signed"], record["id"]) == (
        "release-locks",
        "done",
        "yes",
        done["run_id"],
    )
    assert record["who"] == "userpass:engineer"
    told = record["tasks"][0]["yunwei"]
    assert (told["system"], told["reason"], told["released"]["run_id"]) == ("mediation", REASON, "r-holder")
    assert told["released"]["number"] == held.number
    assert "nobody here can tell" in told["why_allowed"]
    note = vault.read("lock-releases/mediation")
    assert (note["reason"], note["who"], note["run_id"]) == (REASON, "userpass:engineer", record["id"])
    assert _hold(vault, "r-next").number > held.number


def test_a_run_that_lives_on_this_controller_keeps_its_lock_until_its_lease_is_over(inventory, vault, capsys):
    Ledger.open().begin({"run_id": "r-holder", "job": "back-up", "process": describe_self()})
    _hold(vault)
    error = _release(inventory, capsys, expect=3)["error"]
    assert "run r-holder (job back-up, process" in error["message"]
    assert "alive on this controller" in error["message"]
    assert locks.holder(vault, "mediation").run_id == "r-holder"
    assert (_last()["status"], _last()["exit_code"]) == ("refused", 3)
    assert REASON in _last()["reason"]

    _hold(vault, lease=1)
    deadline = time.monotonic() + 60
    while locks.holder(vault, "mediation"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert _listed(inventory, capsys)["released_by"].startswith("the next run, which takes it over")
    assert main(["locks", "list", "-i", str(inventory.folder)]) == 0
    assert "(over)" in capsys.readouterr().out
    assert _release(inventory, capsys)["why_allowed"] == "its lease was over"
    assert locks.look(vault, "mediation") is None


def test_a_run_that_died_here_may_be_released(inventory, vault, capsys):
    Ledger.open().begin({"run_id": "r-holder", "job": "back-up", "process": {**describe_self(), "start": 1}})
    _hold(vault)
    assert "has ended" in _release(inventory, capsys)["why_allowed"]
    assert Ledger.open().find_run("r-holder")["status"] == "interrupted"


def test_an_identity_that_only_runs_jobs_may_not_release(inventory, vault, capsys):
    _hold(vault)
    inventory.edit(ESTATE, "engineer.json", "back-up-mediation.json")
    error = _release(inventory, capsys, expect=1)["error"]
    assert error["kind"] == "VaultForbiddenError"
    assert "lock-releases/mediation" in error["message"]
    assert locks.holder(vault, "mediation").run_id == "r-holder"
    assert (_last()["status"], _last()["who"]) == ("refused", "approle:back-up-mediation")


def test_what_is_not_held_and_what_has_no_reason_is_refused_as_wrong_usage(inventory, vault, capsys):
    assert "is not held" in _release(inventory, capsys, expect=2)["error"]["message"]
    _hold(vault)
    assert "--reason is empty" in _release(inventory, capsys, "--reason", " ", expect=2)["error"]["message"]
    assert main(["locks", "release", "mediatoin", "--reason", REASON, "-i", str(inventory.folder)]) == 2
    assert locks.holder(vault, "mediation") is not None
