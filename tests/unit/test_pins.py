"""The host keys that a known_hosts file pins: plain, hashed, revoked, and what is no pin."""

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from yunwei.errors import UsageError
from yunwei.work.pins import pinned_keys


class TestPins:
    def test_plain_hashed_and_revoked_lines(self, tmp_path: Path) -> None:
        salt = b"0" * 20
        digest = hmac.new(salt, b"[192.0.2.2]:2222", hashlib.sha1).digest()
        hashed = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()} ssh-rsa H"
        lines = [
            "# 192.0.2.1 ssh-rsa comment",
            "host,192.0.2.1 ssh-ed25519 A",
            "192.0.2.10 ssh-ed25519 other",
            "192.0.2.* ssh-ed25519 pattern",
            hashed,
            "@revoked 192.0.2.1 ssh-rsa R",
            "|1|broken|@@ ssh-rsa X",
            "",
        ]
        file = tmp_path / "known_hosts"
        file.write_text("\n".join(lines))
        assert pinned_keys(file, [("192.0.2.1", 22), ("192.0.2.2", 2222)]) == [lines[1], hashed, lines[5]]

    @pytest.mark.parametrize(
        "line", ["192.0.2.* ssh-rsa A", "@revoked 192.0.2.1 ssh-rsa A", "[192.0.2.1]:23 ssh-rsa A", "192.0.2.1"]
    )
    def test_what_is_no_pin(self, tmp_path: Path, line: str) -> None:
        file = tmp_path / "known_hosts"
        file.write_text(line + "\n")
        with pytest.raises(UsageError, match=r"pins no host key for 192\.0\.2\.1\."):
            pinned_keys(file, [("192.0.2.1", 22)])

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="pinned host keys"):
            pinned_keys(tmp_path / "none", [("192.0.2.1", 22)])
