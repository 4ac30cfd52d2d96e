"""Each timer gets an AppRole of its own from a real Vault, in memory alone, and can do its own job and no other."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.estates import Estate
from tests.inventories import ESTATE
from yunwei.cli import main
from yunwei.errors import VaultForbiddenError, VaultTokenError
from yunwei.vault import VaultClient
from yunwei.vault_login import read_credentials_file

ROLES = [
    f"{job}-{system}"
    for system in ("legalservice", "mediation")
    for job in ("back-up", "sync-to-miyun", "retire-backups", "verify-backups", "inspect")
]


@pytest.fixture
def folder(estate: Estate) -> Path:
    """Return the folder of logins of an estate whose Vault has every AppRole."""
    for role in ROLES:
        estate.bao.approle(role, [role])
    made = estate.bao.logins / "timers"
    made.mkdir(mode=0o700, exist_ok=True)
    for old in made.iterdir():
        old.unlink()
    estate.inventory.edit(ESTATE, "logins: /run/yunwei/logins", f"logins: {made}")
    estate.inventory.edit(ESTATE, "user: ops", f"user: {pwd.getpwuid(os.geteuid()).pw_name}")
    return made


def log_in(estate: Estate, capsys: Any, *words: str, expect: int = 0) -> Any:
    code = main(["timers", "log-in", "-i", str(estate.inventory.folder), "--json", *words])
    shown = capsys.readouterr()
    assert code == expect, shown.err
    return json.loads(shown.out) if expect == 0 else shown.err


def entered(estate: Estate, path: Path) -> VaultClient:
    client = VaultClient(estate.bao.settings())
    client.login(read_credentials_file(path))
    return client


def test_every_timer_gets_a_login_that_opens_its_own_job_and_system_only(
    estate: Estate, folder: Path, capsys: Any
) -> None:
    done = log_in(estate, capsys)
    assert [(one["role"], one["status"]) for one in done] == [(role, "made") for role in ROLES]
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{role}.json" for role in ROLES)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    client = entered(estate, folder / "sync-to-miyun-mediation.json")
    assert client.identity == "approle:sync-to-miyun-mediation"
    assert client.read("systems/mediation/miyun-append")
    for path in ("systems/legalservice/miyun-append", "systems/mediation/source-db1"):
        with pytest.raises(VaultForbiddenError):
            client.read(path)


def test_logins_that_are_there_are_kept_and_renewed_ones_end(estate: Estate, folder: Path, capsys: Any) -> None:
    log_in(estate, capsys)
    path = folder / "back-up-mediation.json"
    before = path.read_text()
    assert {one["status"] for one in log_in(estate, capsys)} == {"kept"}
    assert path.read_text() == before
    assert {one["status"] for one in log_in(estate, capsys, "--renew")} == {"replaced"}
    entered(estate, path)
    path.write_text(before)
    with pytest.raises(VaultTokenError, match="refused"):
        entered(estate, path)


def test_a_folder_on_a_disk_or_open_to_others_gets_no_login(
    estate: Estate, folder: Path, capsys: Any, tmp_path: Path
) -> None:
    folder.chmod(0o755)
    assert "is not" in log_in(estate, capsys, expect=1)
    folder.chmod(0o700)
    folder.rename(folder.with_name("aside"))
    assert "`yunwei run set-timers` makes it" in log_in(estate, capsys, expect=1)
    disk = tmp_path / "logins"
    disk.mkdir(mode=0o700)
    folder.symlink_to(disk)
    try:
        assert log_in(estate, capsys, expect=1)
    finally:
        folder.unlink()
    assert list(disk.iterdir()) == []


def test_an_approle_that_nobody_made_is_named(estate: Estate, folder: Path, capsys: Any) -> None:
    estate.bao.root.auth.approle.delete_role("inspect-mediation")
    assert "there is no AppRole inspect-mediation" in log_in(estate, capsys, expect=1)
