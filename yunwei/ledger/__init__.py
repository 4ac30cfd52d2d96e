"""The evidence ledger: what was done, by whom, with which result; chained, signed, verifiable offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yunwei.ledger.chain import Entry, Head
from yunwei.ledger.ledger import Ledger, default_location, new_identifier, verify_export
from yunwei.ledger.rows import utc_now
from yunwei.ledger.signing import Signer, fingerprint, load_public_keys, to_pem
from yunwei.ledger.verify import VerifyResult
from yunwei.ledger.witness import WitnessedHead, load_heads

__all__ = [
    "Entry",
    "Head",
    "Ledger",
    "Signer",
    "VerifyResult",
    "WitnessedHead",
    "default_location",
    "find_run",
    "fingerprint",
    "load_heads",
    "load_public_keys",
    "record_verification",
    "to_pem",
    "utc_now",
    "verify_export",
]


def find_run(run_id: str) -> dict[str, Any] | None:
    """Return the record of a run in this controller's ledger, or None."""
    return Ledger.open().find_run(run_id)


def record_verification(run_id: str, inventory: Path, result: Mapping[str, Any], signer: Signer | None = None) -> str:
    """Record what the proofs of a run found, linked to it, and return the record's id.

    Args:
        run_id: the run that was proven.
        inventory: the inventory folder that the proofs used.
        result: `verdict` and what was found.
        signer: a Vault client; without one the record is signed at the next start.
    """
    body = {**result, "run_id": run_id, "inventory": str(inventory)}
    return Ledger.open().append("verification", body, signer, f"{run_id}/{new_identifier('verification')}").id
