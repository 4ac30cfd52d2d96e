"""Signatures over entries: made by Vault's transit key, checked offline with its public half."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from yunwei.errors import LedgerError

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class Signer(Protocol):
    """What signs: `yunwei.vault.VaultClient` does."""

    def sign(self, data: bytes) -> str:
        """Return `vault:v<key version>:<base64>`."""

    def public_key(self, version: int | None = None) -> bytes:
        """Return the 32 bytes of the public key of this version."""


@dataclass(frozen=True)
class Signature:
    """A signature over one entry's hash, and the key that made it."""

    fingerprint: str
    key_version: int
    value: str


def message(entry_hash: str) -> bytes:
    """Return the bytes that are signed for an entry: its hash, marked as the ledger's."""
    return b"yunwei ledger entry\n" + entry_hash.encode("ascii")


def parse_signature(text: str) -> tuple[int, str]:
    """Return key version and base64 value of `vault:v<version>:<base64>`."""
    scheme, version, value = text.split(":", 2)
    if scheme != "vault" or not version.startswith("v"):
        raise LedgerError(f"Vault's signature has an unknown form: {text[:20]}…; expected vault:v<version>:<base64>")
    return int(version[1:]), value


def fingerprint(public_key: bytes) -> str:
    """Return the short name of a public key: 32 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:32]


def is_signed_by(public_key: bytes, entry_hash: str, value: str) -> bool:
    """Return whether `value` is this key's signature over the entry's hash."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            base64.b64decode(value, validate=True), message(entry_hash)
        )
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def load_public_keys(text: str) -> list[bytes]:
    """Return the ed25519 public keys in a text: PEM blocks, or base64 of 32 bytes, one a line.

    Raises `LedgerError` where there is none or one cannot be read.
    """
    blocks = _PEM.findall(text)
    try:
        keys = [_from_pem(block) for block in blocks] or [
            base64.b64decode(word, validate=True) for word in text.split()
        ]
    except (ValueError, binascii.Error, TypeError):
        keys = []
    if not keys or any(len(key) != 32 for key in keys):
        raise LedgerError("no ed25519 public key could be read: give PEM blocks, or base64 of 32 bytes, one a line")
    return keys


def to_pem(public_key: bytes) -> str:
    """Return a public key as a PEM block."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _from_pem(block: str) -> bytes:
    key = load_pem_public_key(block.encode("ascii"))
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("not an ed25519 key")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
