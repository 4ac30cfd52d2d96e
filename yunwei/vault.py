"""Vault, or OpenBao, which speaks the same API: the only user of hvac; every fault gets a name."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from yunwei import vault_faults
from yunwei.errors import VaultError
from yunwei.vault_login import Credentials, LoginSettings, find_credentials

# A killed run cannot revoke its token: it must end by itself within a day.
LONGEST_TOKEN_SECONDS = 24 * 3600
_TIMEOUT_SECONDS = 15


class VaultSettings(Protocol):
    """The part of the policy that says where Vault is; `yunwei.policy` has the model."""

    @property
    def address(self) -> str:
        """Return `https://host:port`."""

    @property
    def ca_file(self) -> Any:
        """Return the path of the certificate that signed the server's."""

    @property
    def mount(self) -> str:
        """Return the KV version 2 mount."""

    @property
    def transit_key(self) -> str:
        """Return the ed25519 key in mount `transit` that signs the ledger."""

    @property
    def login(self) -> LoginSettings:
        """Return how to log in."""


@dataclass(frozen=True)
class Versioned:
    """One version of a KV v2 entry: `data` is None where the version was deleted; version 0 does not exist yet."""

    data: dict[str, Any] | None
    version: int
    created: datetime | None


class VaultClient:
    """One login's view of Vault. Each process and thread that uses it has connections of its own."""

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings
        self._token = ""
        self._connections: dict[tuple[int, int], Any] = {}
        self._owns_token = False
        self.identity = ""
        self.lifetime_seconds = 0
        self.renewable = False

    def __repr__(self) -> str:
        return f"VaultClient({self._settings.address}, identity={self.identity!r})"

    @property
    def address(self) -> str:
        """Return Vault's address."""
        return self._settings.address

    @property
    def token(self) -> str:
        """Return the token, for handing it to one child process (`yunwei.vault_login.hand_over`) and nothing else."""
        return self._token

    def login(self, credentials: Credentials | None = None) -> str:
        """Log in and return whose name the run goes by, such as `userpass:engineer` or `approle:back-up-mediation`.

        Args:
            credentials: what to log in with; by default what `yunwei.vault_login` finds.

        Raises:
            VaultTokenError: refused, or the token would outlive the bound.
            VaultSealedError, VaultUnreachableError: as named.
        """
        used = credentials or find_credentials(self._settings.login)
        if used.method == "token":
            self._adopt(used.values["token"])
        else:
            self._exchange(used)
        return self.identity

    def read(self, path: str) -> dict[str, Any]:
        """Return the secret at `path` below the KV mount.

        Raises:
            VaultMissingSecretError, VaultForbiddenError, VaultTokenError, VaultSealedError, VaultUnreachableError.
        """
        found = self.cas_read(path)
        if found.data is None:
            raise vault_faults.missing(self.address, self._settings.mount, path)
        return found.data

    def cas_read(self, path: str) -> Versioned:
        """Return the newest version at `path`, with the version number and time that Vault gave it."""
        with self._faults_named(f"{self._settings.mount}/data/{path}") as api:
            try:
                body = api.secrets.kv.v2.read_secret_version(
                    path, mount_point=self._settings.mount, raise_on_deleted_version=False
                )
            except _hvac().exceptions.InvalidPath:
                return Versioned(None, 0, None)
        metadata = body["data"]["metadata"]
        return Versioned(body["data"]["data"], int(metadata["version"]), parse_time(metadata["created_time"]))

    def cas_write(self, path: str, data: dict[str, Any], version: int) -> Versioned | None:
        """Write `data` only if `version` is still the newest (0: nothing is there yet); return None where it is not."""
        with self._faults_named(f"{self._settings.mount}/data/{path}") as api:
            try:
                body = api.secrets.kv.v2.create_or_update_secret(
                    path, data, cas=version, mount_point=self._settings.mount
                )
            except _hvac().exceptions.InvalidRequest as error:
                if "check-and-set" in str(error):
                    return None
                raise
        return Versioned(data, int(body["data"]["version"]), parse_time(body["data"]["created_time"]))

    def delete(self, path: str) -> None:
        """Delete the newest version at `path`."""
        with self._faults_named(f"{self._settings.mount}/data/{path}") as api:
            api.secrets.kv.v2.delete_latest_version_of_secret(path, mount_point=self._settings.mount)

    def server_time(self) -> datetime:
        """Return Vault's own clock, in whole seconds: leases are judged by it and never by the controller's."""
        with self._faults_named("sys/health") as api:
            answer = api.sys.read_health_status(method="GET", standby_ok=True)
            body = answer if isinstance(answer, dict) else answer.json()
            if body.get("sealed"):
                raise vault_faults.sealed(self.address)
        return datetime.fromtimestamp(int(body["server_time_utc"]), UTC)

    def sign(self, data: bytes) -> str:
        """Return the transit signature of `data`, as `vault:v<key version>:<base64>`."""
        key = self._settings.transit_key
        with self._faults_named(f"transit/sign/{key}") as api:
            body = api.secrets.transit.sign_data(key, hash_input=base64.b64encode(data).decode())
        return str(body["data"]["signature"])

    def public_key(self, version: int | None = None) -> bytes:
        """Return the 32 bytes of the ed25519 public key that checks signatures of this key version (None: newest)."""
        name = self._settings.transit_key
        with self._faults_named(f"transit/keys/{name}") as api:
            data = api.secrets.transit.read_key(name)["data"]
        return base64.b64decode(data["keys"][str(version or data["latest_version"])]["public_key"])

    def new_approle_login(self, role: str) -> Credentials:
        """Return a new login of an AppRole, to be handed to the timer of that name."""
        with self._faults_named(f"auth/approle/role/{role}") as api:
            try:
                role_id = api.auth.approle.read_role_id(role)["data"]["role_id"]
                secret_id = api.auth.approle.generate_secret_id(role)["data"]["secret_id"]
            except _hvac().exceptions.InvalidPath:
                raise vault_faults.no_approle(self.address, role) from None
        return Credentials("approle", {"role_id": role_id, "secret_id": secret_id})

    def end_approle_login(self, role: str, secret_id: str) -> None:
        """Let Vault forget a login of an AppRole; one that it does not know is over already."""
        errors = _hvac().exceptions
        over = contextlib.suppress(errors.InvalidRequest, errors.InternalServerError)
        with self._faults_named(f"auth/approle/role/{role}/secret-id/destroy") as api, over:
            api.auth.approle.destroy_secret_id(role, secret_id)

    def renew(self) -> None:
        """Prolong the token, within the longest lifetime that Vault set for it; one that cannot be is left as it is."""
        if not self.renewable:
            return
        with self._faults_named("auth/token/renew-self") as api:
            self.lifetime_seconds = int(api.auth.token.renew_self()["auth"]["lease_duration"])

    def revoke(self) -> None:
        """End the token, if this run logged in itself; a token that was handed over is ended by its owner."""
        token, self._token = self._token, ""
        if not (token and self._owns_token):
            return
        with self._faults_named("auth/token/revoke-self", token) as api:
            api.auth.token.revoke_self()
        self._connections.clear()

    def _exchange(self, used: Credentials) -> None:
        hvac = _hvac()
        with self._faults_named(f"auth/{used.method}/login", "") as api:
            try:
                method = getattr(api.auth, used.method)
                auth = method.login(**used.values, use_token=False)["auth"]
            except (hvac.exceptions.InvalidRequest, hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized):
                raise vault_faults.login_refused(self.address, used.method) from None
        self._owns_token = True
        self._take(auth["client_token"], auth["lease_duration"], auth["renewable"])
        names = auth.get("metadata") or {}
        self.identity = f"{used.method}:{names.get('role_name') or names.get('username') or auth.get('entity_id')}"

    def _adopt(self, token: str) -> None:
        self._token, self._owns_token = token, False
        with self._faults_named("auth/token/lookup-self") as api:
            data = api.auth.token.lookup_self()["data"]
        self._take(token, data["ttl"], data.get("renewable", False))
        names = data.get("meta") or {}
        kind = str(data.get("path", "")).removeprefix("auth/").partition("/")[0]
        self.identity = f"{kind}:{names.get('role_name') or names.get('username') or data.get('display_name')}"

    def _take(self, token: str, seconds: int, renewable: bool) -> None:
        self._token, self.lifetime_seconds, self.renewable = token, int(seconds), bool(renewable)
        if 0 < self.lifetime_seconds <= LONGEST_TOKEN_SECONDS:
            return
        with contextlib.suppress(VaultError):
            self.revoke()
        raise vault_faults.token_too_long(self.lifetime_seconds, LONGEST_TOKEN_SECONDS)

    @contextlib.contextmanager
    def _faults_named(self, path: str, token: str | None = None) -> Iterator[Any]:
        """Yield hvac's client and turn whatever goes wrong at `path` into one of the five faults."""
        hvac = _hvac()
        try:
            yield self._client(self._token if token is None else token)
        except hvac.exceptions.VaultDown:
            raise vault_faults.sealed(self.address) from None
        except hvac.exceptions.VaultNotInitialized:
            raise vault_faults.not_initialised(self.address) from None
        except (hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized):
            raise self._denied(path) from None
        except OSError as error:  # requests' own errors, and a ca_file that is not there
            raise vault_faults.unreachable(self.address, self._settings.ca_file, error) from None
        except hvac.exceptions.VaultError as error:
            raise VaultError(f"Vault ({self.address}) failed at {path}: {error}. Read the server's log.") from None

    def _client(self, token: str) -> Any:
        """Return hvac's client of this process and thread: connections of a parent must not be shared after a fork."""
        import requests  # noqa: PLC0415 - slow to import, comes with hvac

        here = (os.getpid(), threading.get_ident())
        if here not in self._connections:
            session = requests.Session()
            session.trust_env = False  # no proxy and no .netrc from the environment comes between us and Vault
            session.verify = str(self._settings.ca_file)
            # An empty token is given on purpose: with None hvac looks in the environment and in ~/.vault-token.
            self._connections[here] = _hvac().Client(
                self.address,
                token="",
                verify=session.verify,
                session=session,
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        client = self._connections[here]
        client.token = token
        return client

    def _denied(self, path: str) -> VaultError:
        """Tell a dead token from a forbidden path: a live token may always look itself up."""
        hvac = _hvac()
        try:
            self._client(self._token).auth.token.lookup_self()
        except hvac.exceptions.VaultDown:
            return vault_faults.sealed(self.address)
        except hvac.exceptions.VaultError:
            return vault_faults.token_expired(self.address, self.identity)
        except OSError as error:
            return vault_faults.unreachable(self.address, self._settings.ca_file, error)
        return vault_faults.forbidden(self.address, self.identity, path)


def parse_time(text: str) -> datetime:
    """Return Vault's RFC 3339 time; its nanoseconds are cut to microseconds."""
    head, dot, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{head}{dot}{fraction[:6].ljust(6, '0') if dot else ''}+00:00")


def _hvac() -> Any:
    import hvac  # noqa: PLC0415 - 0.4 s to import: only runs that need Vault pay for it

    return hvac
