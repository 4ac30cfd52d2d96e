"""Where a secret went: the forms that it may have taken, and the search for them."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

from yunwei import policy
from yunwei.vault import VaultClient

_TOKEN = re.compile(r"[A-Za-z0-9_+/=-]{20,}")
_NAMES = ("repository-local", "repository-miyun", "miyun-append", "miyun-read", "local-read", "login-probe")


def read_secrets(known: policy.Policy) -> list[str]:
    """Return every password and private key of every system, as Vault gives them to the lab's engineer."""
    own = [(system.id, f"source-{item.host}") for system in known.systems.values() for item in system.items()]
    paths = {f"systems/{system}/{name}" for system, name in own + [(s, n) for s in known.systems for n in _NAMES]}
    vault = VaultClient(known.estate.vault)
    vault.login()
    try:
        found = [vault.read(path) for path in sorted(paths)]
    finally:
        vault.revoke()
    return [value for one in found for name, value in one.items() if name != "public_key"]


def forms(secret: str) -> set[bytes]:
    """Return what to look for: the longest piece without an odd character on each of two lines, as it is and encoded.

    Such a piece stands unchanged in JSON, in a URL and between a shell's quotes; the whole secret is added in those
    forms, and base64 and hexadecimal in every position that a longer text may put the piece in.
    """
    pieces = sorted((piece.encode() for piece in _TOKEN.findall(secret)), key=len)[-2:]
    assert pieces, "a secret without twenty plain characters in a row cannot be looked for"
    found = {*pieces}
    for piece in pieces:
        found |= {piece.hex().encode(), piece.hex().upper().encode()}
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + piece)
            found.add(encoded[4 if before else 0 : -4])
    as_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    return found | {text.encode() for text in (quote(secret, safe=""), quote_plus(secret), *as_json)}
