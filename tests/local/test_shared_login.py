"""The wrapper and its playbook share one login."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.estates import Estate
from tests.openbao import RealVault
from yunwei.errors import VaultSealedError
from yunwei.ledger import record_verification
from yunwei.session import Intent
from yunwei.shared_login import shared_login


def _intent(estate: Estate) -> Intent:
    return Intent("r-shared", "back-up", "back_up.yml", (estate.inventory.folder,), check=False)


def test_run_and_verification_are_signed_with_one_login(estate: Estate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("YUNWEI_STATE", str(estate.state))
    before = len(estate.bao.audit())
    with shared_login(_intent(estate)) as login:
        estate.play(YUNWEI_RUN_ID="r-shared", **login.environment)
        assert not Path(login.environment["YUNWEI_LOGIN_FILE"]).exists()
        record_verification("r-shared", estate.inventory.folder, {"verdict": "passed"}, login.client)
    assert [(row["kind"], row["who"], row["signed"]) for row in estate.ledger.list()] == [
        ("run", "userpass:engineer", "yes"),
        ("verification", None, "yes"),
    ]
    assert estate.ledger.list()[0]["verification"] == "passed"
    assert estate.bao.logins_since(before) == ["auth/userpass/login/engineer"]
    paths = [entry["request"]["path"] for entry in estate.bao.audit()[before:]]
    assert paths.count("auth/token/revoke-self") == 1
    assert paths[-1] == "auth/token/revoke-self"


def test_a_fault_at_the_wrappers_login_is_recorded_as_a_refused_run(
    bao: RealVault,
    estate: Estate,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("YUNWEI_STATE", str(estate.state))
    bao.seal()
    try:
        with pytest.raises(VaultSealedError), shared_login(_intent(estate)):
            pytest.fail("the block must not start")
    finally:
        bao.unseal()
    record = estate.last_run()
    assert (record["id"], record["status"], record["exit_code"], record["signed"]) == ("r-shared", "refused", 1, "no")


def test_a_file_with_a_token_is_gone_when_nobody_took_it(estate: Estate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("YUNWEI_STATE", str(estate.state))
    with shared_login(_intent(estate)) as login:
        path = Path(login.environment["YUNWEI_LOGIN_FILE"])
        assert path.stat().st_mode & 0o777 == 0o600
        shown = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=True).stdout
        assert shown.strip() == "tmpfs"
        assert login.client.token not in str(os.environ) + repr(login)
    assert not path.exists()
