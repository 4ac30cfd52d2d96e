"""The words for Vault's faults: what was found, and what to do next. Five of them a person must tell apart."""

from __future__ import annotations

from typing import Any

from yunwei.errors import (
    VaultForbiddenError,
    VaultMissingSecretError,
    VaultSealedError,
    VaultTokenError,
    VaultUnreachableError,
)


def sealed(address: str) -> VaultSealedError:
    """Return the fault of a server that answers but holds its secrets locked."""
    return VaultSealedError(
        f"Vault ({address}) is sealed. Have its key holders unseal it (`bao operator unseal`) and start again."
    )


def not_initialised(address: str) -> VaultSealedError:
    """Return the fault of a server that was never set up."""
    return VaultSealedError(
        f"Vault ({address}) is not initialised. Set it up (`bao operator init`), unseal it and start again."
    )


def unreachable(address: str, ca_file: Any, error: Exception) -> VaultUnreachableError:
    """Return the fault of a server that does not answer, or whose answer must not be trusted."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "TLS CA certificate" in text:
        return VaultUnreachableError(
            f"Vault ({address}) cannot be trusted: {ca_file} does not vouch for its certificate, or cannot be read. "
            f"Check ca_file and address in policy/estate.yml; never switch the check off."
        )
    return VaultUnreachableError(
        f"Vault does not answer at {address} ({type(error).__name__}). "
        f"Check that the server runs, the address in policy/estate.yml and the network, and start again."
    )


def login_refused(address: str, method: str) -> VaultTokenError:
    """Return the fault of a login that Vault did not accept."""
    return VaultTokenError(
        f"Vault ({address}) refused the login by {method}: name, password or secret id is wrong, expired or withdrawn. "
        f"Check the login file, or have the identity's administrator renew it."
    )


def token_expired(address: str, identity: str) -> VaultTokenError:
    """Return the fault of a token that Vault no longer knows."""
    return VaultTokenError(
        f"the token of {identity or 'this run'} is expired or revoked at Vault ({address}). "
        f"Start again: a new run logs in anew. If runs last longer than the token, raise its token_ttl."
    )


def token_too_long(seconds: int, longest: int) -> VaultTokenError:
    """Return the fault of a token that a killed run would leave alive for too long."""
    return VaultTokenError(
        f"Vault's token would live {f'{seconds} seconds' if seconds else 'for ever'}; at most {longest} seconds are "
        f"allowed, because a killed run cannot revoke it. Set token_ttl and token_max_ttl of the role or user."
    )


def forbidden(address: str, identity: str, path: str) -> VaultForbiddenError:
    """Return the fault of a live token whose policies do not name the path."""
    return VaultForbiddenError(
        f"{identity} may not use {path} in Vault ({address}). Give it the policy of this job and system "
        f"(yunwei/vault_policies renders it), or run as an identity that has it."
    )


def no_approle(address: str, role: str) -> VaultMissingSecretError:
    """Return the fault of a timer's AppRole that nobody has made."""
    return VaultMissingSecretError(
        f"there is no AppRole {role} in Vault ({address}). Make it with the policy of the same name (docs/timers.md)."
    )


def missing(address: str, mount: str, path: str) -> VaultMissingSecretError:
    """Return the fault of a path that may be read but holds nothing."""
    return VaultMissingSecretError(
        f"there is no secret at {mount}/{path} in Vault ({address}). "
        f"Write it (`bao kv put -mount={mount} {path} …`) and start again."
    )
