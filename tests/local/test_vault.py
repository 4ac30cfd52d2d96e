"""Vault's client against a real OpenBao server: one login, secrets, and five faults told apart."""

import json
import os
from pathlib import Path

import pytest

from tests.openbao import CANARY, RealVault
from yunwei.errors import (
    VaultError,
    VaultForbiddenError,
    VaultMissingSecretError,
    VaultSealedError,
    VaultTokenError,
    VaultUnreachableError,
)
from yunwei.vault import VaultClient, parse_time
from yunwei.vault_login import Credentials, find_credentials, hand_over


def test_a_person_and_a_timer_go_by_their_own_names(bao: RealVault):
    assert bao.client("engineer").identity == "userpass:engineer"
    assert bao.client("back-up-mediation").identity == "approle:back-up-mediation"


def test_reads_a_secret_as_it_was_written(bao: RealVault):
    secret = bao.client("back-up-mediation").read("systems/mediation/repository-local")
    assert secret == {"password": f"{CANARY}-mediation-repository-local"}


def test_an_unreachable_vault_is_named_with_its_address(bao: RealVault):
    client = VaultClient(bao.settings(address="https://127.0.0.1:1"))
    with pytest.raises(
        VaultUnreachableError, match=r"does not answer at https://127\.0\.0\.1:1 .*Check that the server"
    ):
        client.login()


@pytest.mark.parametrize("ca_file", ["/nonexistent/ca.pem", "/etc/ssl/certs/ca-certificates.crt"])
def test_a_server_that_the_ca_does_not_vouch_for_is_not_talked_to(bao: RealVault, ca_file: str):
    with pytest.raises(VaultUnreachableError, match=r"cannot be trusted.*never switch the check off"):
        VaultClient(bao.settings(ca_file=ca_file)).login()


def test_a_sealed_vault_is_named_at_login_and_half_way(bao: RealVault):
    client = bao.client()
    bao.seal()
    try:
        for action in (client.server_time, lambda: client.read("systems/mediation/repository-local"), client.login):
            with pytest.raises(VaultSealedError, match=r"is sealed.*unseal it"):
                action()
    finally:
        bao.unseal()


def test_a_wrong_password_is_a_refused_login(bao: RealVault):
    wrong = Credentials("userpass", {"username": "engineer", "password": "wrong"})
    with pytest.raises(VaultTokenError, match="refused the login by userpass") as caught:
        VaultClient(bao.settings()).login(wrong)
    assert "wrong" not in repr(wrong)
    assert caught.value.exit_code == 1


def test_an_expired_token_is_not_called_a_forbidden_path(bao: RealVault):
    client = bao.client()
    bao.root.auth.token.revoke(client.token)
    with pytest.raises(VaultTokenError, match=r"userpass:engineer is expired or revoked.*Start again"):
        client.read("systems/mediation/repository-local")


def test_a_missing_secret_says_how_to_write_it(bao: RealVault):
    with pytest.raises(VaultMissingSecretError, match="bao kv put -mount=yunwei systems/mediation/source-nowhere"):
        bao.client("back-up-mediation").read("systems/mediation/source-nowhere")


def test_a_deleted_secret_is_missing(bao: RealVault):
    bao.put("systems/mediation/source-gone", private_key="x")
    bao.root.secrets.kv.v2.delete_latest_version_of_secret("systems/mediation/source-gone", mount_point="yunwei")
    with pytest.raises(VaultMissingSecretError):
        bao.client("back-up-mediation").read("systems/mediation/source-gone")


def test_a_forbidden_path_names_the_identity_and_the_path(bao: RealVault):
    with pytest.raises(VaultForbiddenError, match="approle:back-up-mediation may not use yunwei/data/systems/legal"):
        bao.client("back-up-mediation").read("systems/legalservice/repository-local")


def test_a_revoked_token_is_dead(bao: RealVault):
    client = bao.client()
    token = client.token
    client.revoke()
    assert client.token == ""
    with pytest.raises(VaultTokenError):
        VaultClient(bao.settings()).login(Credentials("token", {"token": token}))


def test_a_token_that_never_ends_is_refused(bao: RealVault):
    with pytest.raises(VaultTokenError, match="would live for ever"):
        VaultClient(bao.settings()).login(Credentials("token", {"token": bao.root.token}))
    assert bao.root.lookup_token()


def test_a_token_that_lives_for_days_is_refused_and_revoked(bao: RealVault):
    bao.root.sys.tune_auth_method("approle", max_lease_ttl="720h")
    client = VaultClient(bao.settings(bao.approle("long", ["back-up-mediation"], ttl="200h", longest="300h")))
    with pytest.raises(VaultTokenError, match="would live 720000 seconds"):
        client.login()
    assert client.token == ""
    assert bao.audit()[-1]["request"]["path"] == "auth/token/revoke-self"


def test_a_handed_over_token_needs_no_second_login_and_stays_its_owners(bao: RealVault):
    owner = bao.client()
    with hand_over(owner.token) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        child = VaultClient(bao.settings(path))
        before = len(bao.audit())
        assert child.login() == "userpass:engineer"
        assert not path.exists()
    assert bao.logins_since(before) == []
    child.revoke()
    assert owner.read("systems/mediation/repository-local")


def test_nothing_in_the_environment_replaces_the_login(bao: RealVault, monkeypatch, tmp_path):
    monkeypatch.setenv("VAULT_TOKEN", bao.root.token)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    client = VaultClient(bao.settings())
    with pytest.raises(VaultTokenError):
        client.read("systems/mediation/repository-local")
    assert client.login() == "userpass:engineer"


def test_a_forked_child_uses_connections_of_its_own(bao: RealVault):
    client = bao.client()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if client.read("systems/mediation/repository-local")["password"] else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.read("systems/mediation/repository-local")


def test_signs_with_the_key_whose_public_half_it_gives(bao: RealVault):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    client = bao.client("back-up-mediation")
    scheme, version, value = client.sign(b"entry").split(":")
    assert scheme == "vault"
    import base64

    public_key = client.public_key(int(version.removeprefix("v")))
    Ed25519PublicKey.from_public_bytes(public_key).verify(base64.b64decode(value), b"entry")


def test_a_missing_signing_key_is_a_fault_of_vault(bao: RealVault):
    with pytest.raises(VaultError):
        bao.client(transit_key="nowhere").sign(b"entry")


@pytest.mark.parametrize(
    ("mode", "content", "message"),
    [
        (0o640, {"method": "userpass", "username": "a", "password": "b"}, "mode 0640"),
        (0o600, {"method": "userpass", "username": "a"}, "not complete"),
        (0o600, {"method": "carrier-pigeon"}, "not complete"),
        (0o600, ["userpass"], "not complete"),
    ],
)
def test_an_unsafe_or_incomplete_login_file_is_refused(bao: RealVault, mode, content, message):
    path = bao.login_file("odd", content)
    path.chmod(mode)
    with pytest.raises(VaultTokenError, match=message):
        find_credentials(bao.settings(path).login, {})


def test_a_login_file_on_a_disk_or_behind_a_link_is_refused(bao: RealVault, tmp_path: Path):
    on_disk = tmp_path / "login.json"
    on_disk.write_text(json.dumps({"method": "userpass", "username": "a", "password": "b"}))
    on_disk.chmod(0o600)
    with pytest.raises(VaultTokenError, match="which is a disk"):
        find_credentials(bao.settings().login, {"YUNWEI_LOGIN_FILE": str(on_disk)})
    link = tmp_path / "link.json"
    link.symlink_to(bao.logins / "engineer.json")
    with pytest.raises(VaultTokenError, match="cannot be opened"):
        find_credentials(bao.settings().login, {"YUNWEI_LOGIN_FILE": str(link)})


def test_without_file_and_terminal_the_file_to_make_is_named(bao: RealVault, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(VaultTokenError, match=r"/nowhere/login\.json does not exist"):
        find_credentials(bao.settings(Path("/nowhere/login.json")).login, {})


def test_vaults_nanoseconds_are_read():
    assert parse_time("2026-11-22T10:00:00.123456789Z").microsecond == 123456
    assert parse_time("2026-11-22T10:00:00Z").isoformat() == "2026-11-22T10:00:00+00:00"
