"""A real OpenBao server for tests: TLS, raft storage, a real unseal, an audit log, identities with our policies.

Tests take it with the fixture `bao` of `tests/local/conftest.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hvac
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from yunwei.vault import VaultClient
from yunwei.vault_policies import JOBS, identity_policies, policy_name

# Beside this Python, or beside the one that it was made from, which ./check has on the path.
BINARY = shutil.which("bao", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])) or "bao"
SYSTEMS = ("mediation", "legalservice")
PASSWORD = "pass-phrase"  # noqa: S105 - of a server that lives as long as the tests
# A canary of everything that quoting, templates and encodings trip over.
CANARY = "k'q\"$HOME{{ 7*7 }}\n线\\x"
_CONFIG = """
ui = false
disable_mlock = true
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
storage "raft" {{
  path    = "{folder}/raft"
  node_id = "test"
}}
listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_cert_file   = "{folder}/server.pem"
  tls_key_file    = "{folder}/server.key"
}}
audit "file" "to-file" {{
  options = {{
    file_path = "{folder}/audit.log"
  }}
}}
"""


class RealVault:
    """One running OpenBao; `root` is hvac with the root token, for arranging what a test needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.cluster_port = _free_ports(2)
        self.address = f"https://127.0.0.1:{self.port}"
        self.ca_file = folder / "server.pem"
        self.logins = Path(tempfile.mkdtemp(prefix="yunwei-test-", dir="/dev/shm"))
        _make_certificate(folder)
        (folder / "raft").mkdir()
        (folder / "bao.hcl").write_text(
            _CONFIG.format(port=self.port, cluster_port=self.cluster_port, folder=folder), encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._key = ""
        session = requests.Session()
        session.trust_env, session.verify = False, str(self.ca_file)
        self.root = hvac.Client(self.address, token="", session=session, verify=str(self.ca_file))

    def start(self) -> None:
        """Start the server; the first time it is initialised and unsealed too."""
        log = (self.folder / "server.log").open("ab")
        command = [BINARY, "server", f"-config={self.folder / 'bao.hcl'}"]
        self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        self._wait(lambda: self.root.sys.is_initialized() in (True, False))
        if not self._key:
            answer = self.root.sys.initialize(1, 1)
            self._key, self.root.token = answer["keys"][0], answer["root_token"]
        self.unseal()

    def stop(self) -> None:
        """End the server as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def seal(self) -> None:
        """Seal it."""
        self.root.sys.seal()

    def unseal(self) -> None:
        """Unseal it and wait until it answers as the active node."""
        self.root.sys.submit_unseal_key(self._key)
        self._wait(lambda: self.root.sys.read_health_status(method="GET")["standby"] is False)

    def settings(self, login_file: Path | None = None, **changes: Any) -> SimpleNamespace:
        """Return settings of the same shape as the policy's."""
        login = SimpleNamespace(method="approle", credentials_file=login_file or self.logins / "engineer.json")
        values = {"address": self.address, "ca_file": self.ca_file, "mount": "yunwei", "transit_key": "ledger"}
        return SimpleNamespace(**{**values, "login": login, **changes})

    def client(self, identity: str = "engineer", **changes: Any) -> VaultClient:
        """Return a client that is logged in as one of the identities."""
        client = VaultClient(self.settings(self.logins / f"{identity}.json", **changes))
        client.login()
        return client

    def audit(self) -> list[dict[str, Any]]:
        """Return every request that the server answered, oldest first."""
        lines = (self.folder / "audit.log").read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if entry["type"] == "response"]

    def logins_since(self, count: int) -> list[str]:
        """Return the paths of the logins among the audit entries after the first `count`."""
        paths = [entry["request"]["path"] for entry in self.audit()[count:]]
        return [path for path in paths if path.startswith("auth/") and "/login" in path]

    def close(self) -> None:
        """Stop it and remove what it left in memory."""
        self.stop()
        shutil.rmtree(self.logins, ignore_errors=True)

    def set_up(self) -> None:
        """Make mounts, secrets, policies and identities as the lab does."""
        self.root.sys.enable_secrets_engine("kv", path="yunwei", options={"version": "2"})
        self.root.sys.enable_secrets_engine("transit")
        self.root.secrets.transit.create_key("ledger", key_type="ed25519")
        self.root.sys.enable_auth_method("userpass")
        self.root.sys.enable_auth_method("approle")
        self._wait(lambda: self.put("systems/mediation/probe", value="x"))
        for system in SYSTEMS:
            for name in ("repository-local", "repository-miyun", "login-probe"):
                self.put(f"systems/{system}/{name}", password=f"{CANARY}-{system}-{name}")
            for name in ("source-app1", "source-db1", "miyun-append", "miyun-read", "local-read"):
                self.put(
                    f"systems/{system}/{name}", private_key=f"{CANARY}-{system}-{name}", public_key="ssh-ed25519 x"
                )
        policies = identity_policies(JOBS, SYSTEMS)
        for name, text in policies.items():
            self.root.sys.create_or_update_policy(name, text)
        self.root.auth.userpass.create_or_update_user(
            "engineer", policies=list(policies), **{"password": PASSWORD, "token_ttl": "1h", "token_max_ttl": "4h"}
        )
        self.login_file("engineer", {"method": "userpass", "username": "engineer", "password": PASSWORD})
        self.approle(policy_name("back-up", "mediation"), [policy_name("back-up", "mediation")])

    def put(self, path: str, **data: Any) -> bool:
        """Write a secret."""
        self.root.secrets.kv.v2.create_or_update_secret(path, data, mount_point="yunwei")
        return True

    def approle(self, name: str, policies: list[str], ttl: str = "1h", longest: str = "4h") -> Path:
        """Make an AppRole and the login file of it; return the file."""
        self.root.auth.approle.create_or_update_approle(
            name, token_policies=policies, token_no_default_policy=True, **{"token_ttl": ttl, "token_max_ttl": longest}
        )
        role_id = self.root.auth.approle.read_role_id(name)["data"]["role_id"]
        secret_id = self.root.auth.approle.generate_secret_id(name)["data"]["secret_id"]
        return self.login_file(name, {"method": "approle", "role_id": role_id, "secret_id": secret_id})

    def login_file(self, name: str, content: dict[str, str]) -> Path:
        """Write a login file of mode 0600 in memory."""
        path = self.logins / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        path.chmod(0o600)
        return path

    @staticmethod
    def _wait(ready: Any, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if ready():
                    return
            except (requests.RequestException, hvac.exceptions.VaultError, TypeError):
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, "OpenBao did not get ready"
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "openbao of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=60))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
