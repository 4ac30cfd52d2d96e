"""Pinned host keys: the lines of a known_hosts file that speak of given places, and of no others."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from yunwei.errors import UsageError

Place = tuple[str, int]


def pinned_keys(known_hosts: Path, places: Iterable[Place]) -> list[str]:
    """Return the lines that pin or revoke a key of the given (address, port) pairs, in the order of the file.

    Raises `UsageError` when the file cannot be read or a place has no key: nothing is reached without a pinned key.
    """
    lines = read_public_file(known_hosts, "the pinned host keys").splitlines()
    wanted = dict.fromkeys(_as_written(place) for place in places)
    chosen = [line for line in lines if any(_speaks_of(line, place) for place in wanted)]
    bare = [
        place for place in wanted if not any(_speaks_of(line, place) and not line.startswith("@") for line in chosen)
    ]
    if bare:
        raise UsageError(
            f"{known_hosts} pins no host key for {', '.join(bare)}. Compare the host's key with its administrator "
            "by another way, then add its line."
        )
    return chosen


def read_public_file(path: Path, what: str) -> str:
    """Return the text of a file that holds nothing secret.

    Raises `UsageError` naming the file and what it is for.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"{path} ({what}) cannot be read: {reason}. Is the path in estate.yml right?") from error


def _as_written(place: Place) -> str:
    address, port = place
    return address if port == 22 else f"[{address}]:{port}"


def _speaks_of(line: str, place: str) -> bool:
    """Tell whether a known_hosts line names a place, plainly or hashed; patterns with * do not count as a pin."""
    words = line.split()
    if words and words[0].startswith("@"):
        words = words[1:]
    if len(words) < 3 or words[0].startswith("#"):
        return False
    return any(name == place or _hashed(name, place) for name in words[0].split(","))


def _hashed(name: str, place: str) -> bool:
    parts = name.split("|")
    if len(parts) != 4 or parts[:2] != ["", "1"]:
        return False
    try:
        salt, expected = base64.b64decode(parts[2], validate=True), base64.b64decode(parts[3], validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, place.encode(), hashlib.sha1).digest(), expected)
