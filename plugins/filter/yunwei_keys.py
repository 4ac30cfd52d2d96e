"""The public halves of keys that a job's secrets hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def public_keys(secrets: Mapping[str, Mapping[str, Any]], name: str) -> list[dict[str, str]]:
    """Return [{"system", "public_key"}] of every system that has a key pair called `name`."""
    found = {system: own[name]["public_key"] for system, own in secrets.items() if name in own}
    return [{"system": system, "public_key": str(key).strip()} for system, key in sorted(found.items())]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"public_keys": public_keys}
