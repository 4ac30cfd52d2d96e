"""The lists of log files that were planned, whole: what a record is too small for."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yunwei.paths import state_dir


def keep_list(packed: Mapping[str, Any], name: str, run_id: str) -> Path:
    """Write a packed list as JSON lines to `plans/RUN/NAME.jsonl` in the state folder, for its owner alone.

    Raises `ValueError` when its digest is another, `OSError` when it cannot be written.
    """
    try:
        lines = zlib.decompress(base64.b64decode(packed["packed"], validate=True))
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked: {error}") from error
    if hashlib.sha256(lines).hexdigest() != packed["sha256"]:
        raise ValueError("its digest is another")
    folder = state_dir() / "plans" / run_id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(lines)
    return path
