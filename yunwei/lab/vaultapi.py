"""Vault's HTTP interface as its administrator uses it when the lab is set up; runs use `yunwei.vault` instead."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yunwei.errors import LabError


class VaultAnswerError(LabError):
    """Vault answered with an error; carries the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class VaultApi:
    """One Vault, seen with one token (or none)."""

    address: str
    ca_file: Path
    token: str = ""

    def with_token(self, token: str) -> VaultApi:
        """Return the same Vault seen with another token."""
        return VaultApi(self.address, self.ca_file, token)

    def health(self) -> dict[str, Any] | None:
        """Return Vault's own view of its health, sealed or not; None when nothing answers."""
        try:
            return self.call("GET", "sys/health?standbyok=true&sealedcode=200&uninitcode=200")
        except (OSError, LabError):
            return None

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call one endpoint and return its JSON answer ({} when empty).

        Raises VaultAnswerError when Vault refuses, OSError when it does not answer.
        """
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(f"{self.address}/v1/{path}", data=data, method=method)  # noqa: S310 - https
        if self.token:
            request.add_header("X-Vault-Token", self.token)
        try:
            with self._opener().open(request, timeout=20) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode("utf-8", "replace").strip()
            raise VaultAnswerError(f"Vault refused {method} {path} with {error.code}: {words}", error.code) from None
        return json.loads(text) if text else {}

    def find(self, path: str) -> dict[str, Any] | None:
        """Read one path; None when there is nothing."""
        try:
            return self.call("GET", path)
        except VaultAnswerError as error:
            if error.status == 404:
                return None
            raise

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        # Vault is on this machine: a proxy of the environment must not come between.
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
