"""Fixtures of the tests with real servers on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.approving import PLAN, add_approvers, keep_plan, open_session
from tests.estates import Estate, make_estate, make_inventory
from tests.inventories import InventoryCopy
from tests.openbao import RealVault
from tests.postgres import Care, Server
from yunwei import session


@pytest.fixture(scope="session")
def bao_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVault]:
    """Yield one server for the whole test run."""
    server = RealVault(tmp_path_factory.mktemp("openbao"))
    try:
        server.start()
        server.set_up()
        yield server
    finally:
        server.close()


@pytest.fixture
def bao(bao_server: RealVault, monkeypatch: pytest.MonkeyPatch) -> RealVault:
    """Return the running server; nothing in the environment may help a client to find it."""
    for name in [name for name in os.environ if name.startswith(("VAULT_", "BAO_", "YUNWEI_"))]:
        monkeypatch.delenv(name)
    return bao_server


@pytest.fixture
def estate(bao: RealVault, tmp_path: Path) -> Estate:
    """Return an estate of local hosts with a ledger of its own."""
    return make_estate(bao, tmp_path)


@pytest.fixture
def inventory(bao: RealVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InventoryCopy:
    """Return an inventory whose Vault is `bao`; what runs in this process has a ledger of its own."""
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    return make_inventory(bao, tmp_path)


@pytest.fixture
def keys(inventory: InventoryCopy, tmp_path: Path) -> dict[str, Path]:
    """Have clean-logs on mediation approved; return the keys of the approvers."""
    return add_approvers(inventory, tmp_path)


@pytest.fixture
def opened(inventory: InventoryCopy, keys: dict[str, Path]) -> Iterator[session.Session]:
    """Open a run of clean-logs, which needs an approval."""
    found = open_session(inventory)
    yield found
    if session.current():
        found.close()


@pytest.fixture
def plan_file(inventory: InventoryCopy, tmp_path: Path) -> Path:
    """Return the file of a plan that a run has found."""
    keep_plan(PLAN, tmp_path / "plan.json")
    return tmp_path / "plan.json"


@pytest.fixture
def world(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Care:
    """Return an empty database of the module's own `server`, and what is done to it."""
    server.fresh()
    return Care(server, tmp_path, monkeypatch)
