"""Signatures with SSH keys: the only user of `ssh-keygen -Y` on the controller."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from yunwei.errors import CouldNotJudgeError, UsageError


def sign(text: str, namespace: str, key: Path) -> str:
    """Return the armoured signature of `text`; ssh-keygen asks for the key's passphrase at the terminal.

    Args:
        text: what is signed.
        namespace: what the signature is for: it counts for nothing else.
        key: a private key, or a public one whose private half an agent or a security key holds.

    Raises:
        CouldNotJudgeError: ssh-keygen is not there.
        UsageError: the key cannot sign.
    """
    done = _ssh_keygen(["-q", "-Y", "sign", "-f", str(key), "-n", namespace], text)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "no reason given"
        raise UsageError(f"{key} cannot sign: {said}. Name a private key of yours, or the public one of your agent's")
    return done.stdout.decode("ascii")


def is_signed(text: str, signature: str, namespace: str, signer: str, public_key: str) -> bool:
    """Tell whether `signature` is the signer's over `text` in this namespace.

    Args:
        text: what is said to be signed.
        signature: as `sign` returns it.
        namespace: what it must have been made for.
        signer: the name that the key goes by.
        public_key: the signer's one OpenSSH public key.

    Raises `CouldNotJudgeError` where ssh-keygen is not there.
    """
    with tempfile.TemporaryDirectory(prefix="yunwei-signature-") as folder:
        allowed, given = Path(folder) / "allowed_signers", Path(folder) / "signature"
        allowed.write_text(f"{signer} {public_key.strip()}\n", encoding="utf-8")
        given.write_text(signature, encoding="utf-8")
        words = ["-q", "-Y", "verify", "-f", str(allowed), "-I", signer, "-n", namespace, "-s", str(given)]
        return _ssh_keygen(words, text).returncode == 0


def _ssh_keygen(words: Sequence[str], text: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", *words], input=text.encode("utf-8"), capture_output=True, check=False)
    except OSError as error:
        raise CouldNotJudgeError(f"ssh-keygen, which makes signatures, cannot be run: {error}. Install it") from error
