"""Locks in a real OpenBao: refused, re-entered, taken over, and never counted down."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.openbao import RealVault
from yunwei import locks
from yunwei.errors import LockBusyError
from yunwei.vault import VaultClient


@pytest.fixture
def vault(bao: RealVault) -> VaultClient:
    bao.root.secrets.kv.v2.delete_metadata_and_all_versions("locks/mediation", mount_point="yunwei")
    return bao.client("back-up-mediation")


def _take(vault: VaultClient, run_id: str, lease: int = 60) -> locks.LockHeld:
    starter = locks.Starter(run_id, "back-up", "approle:back-up-mediation")
    return locks.acquire(vault, "mediation", starter, lease)


def test_the_second_starter_is_told_who_holds_it(vault: VaultClient):
    held = _take(vault, "r-1")
    with pytest.raises(LockBusyError) as caught:
        _take(vault, "r-2")
    text = str(caught.value)
    for word in ("mediation", "back-up", "r-1", "approle:back-up-mediation", socket.gethostname(), held.since):
        assert word in text
    assert caught.value.exit_code == 3


def test_the_number_rises_and_survives_release_and_deletion(bao: RealVault, vault: VaultClient):
    numbers = [_take(vault, "r-1").number]
    assert locks.release(vault, "mediation", "r-1")
    numbers.append(_take(vault, "r-2").number)
    assert locks.release(vault, "mediation", "r-2")
    bao.root.secrets.kv.v2.delete_latest_version_of_secret("locks/mediation", mount_point="yunwei")
    numbers.append(_take(vault, "r-3").number)
    assert numbers == sorted(set(numbers))


def test_the_same_run_may_take_it_again_and_keeps_number_and_since(vault: VaultClient):
    first = _take(vault, "r-1")
    again = _take(vault, "r-1", lease=120)
    assert (again.number, again.since, again.lease_seconds) == (first.number, first.since, 120)


def test_a_lease_that_is_over_may_be_taken_over_and_the_sleeper_cannot_release_it(vault: VaultClient):
    sleeper = _take(vault, "r-1", lease=1)
    time.sleep(2.1)
    heir = _take(vault, "r-2")
    assert heir.number > sleeper.number
    assert not locks.release(vault, "mediation", "r-1")
    assert locks.holder(vault, "mediation") == heir


def test_the_controllers_clock_does_not_matter(vault: VaultClient, monkeypatch: pytest.MonkeyPatch):
    _take(vault, "r-1", lease=60)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    with pytest.raises(LockBusyError):
        _take(vault, "r-2")


def test_of_many_starters_at_once_one_wins(bao: RealVault, vault: VaultClient):
    clients = [bao.client("back-up-mediation") for _ in range(6)]

    def start(number: int) -> bool:
        try:
            _take(clients[number], f"r-{number}")
        except LockBusyError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(start, range(6))) == 1


def test_a_free_lock_has_no_holder_and_is_not_released_twice(vault: VaultClient):
    assert locks.holder(vault, "mediation") is None
    _take(vault, "r-1")
    assert locks.release(vault, "mediation", "r-1")
    assert not locks.release(vault, "mediation", "r-1")
    assert locks.holder(vault, "mediation") is None
