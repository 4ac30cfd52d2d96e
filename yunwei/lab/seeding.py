"""Puts the lab's data on its hosts, each once: databases on db1, files on app1 and legacy1."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from yunwei.errors import LabError, UsageError
from yunwei.lab import engine
from yunwei.lab.topology import Slot

_FOLDER = Path(__file__).resolve().parent / "seed"
_MARK = "/var/lib/yunwei-lab/seeded"
_READY_SECONDS = 60

# host: the script that seeds it, then what the script needs
SEEDS = {
    "db1": (
        "db1.sh",
        "roles.sql",
        "mediation_schema.sql",
        "mediation_data.sql",
        "mediation_after.sql",
        "legalservice.sql",
    ),
    "app1": ("app1.sh", "app.py", "files.py"),
    "legacy1": ("legacy1.sh", "files.py"),
}
_SCRIPT = """
export ADDRESS={address} APPLICATION={application} PERCENT={percent}
rm -f {mark}
sh -eu /run/yunwei-lab-seed/{script}
rm -rf /run/yunwei-lab-seed
mkdir -p /var/lib/yunwei-lab
echo {digest} > {mark}
"""


def ensure(slot: Slot) -> list[str]:
    """Seed every host that does not carry the present seed; return their names. Raises LabError."""
    todo = [name for name in SEEDS if _mark_of(slot, name) != digest(name)]
    with ThreadPoolExecutor(max_workers=len(SEEDS)) as pool:
        list(pool.map(lambda name: _seed(slot, name), todo))
    return todo


def percent() -> int:
    """Return how much of the full data the lab gets, from YUNWEI_LAB_PERCENT: 5 to 1000, by default 100.

    Bulk rows and bulk files alone grow and shrink; every kind of object and every odd name is always there.
    Raises UsageError.
    """
    text = os.environ.get("YUNWEI_LAB_PERCENT", "100")
    if not (text.isascii() and text.isdigit() and 5 <= int(text) <= 1000):
        allowed = "Allowed: a whole number from 5 to 1000"
        raise UsageError(f"YUNWEI_LAB_PERCENT is '{text}'. {allowed}. Correct or unset it.")
    return int(text)


def digest(name: str) -> str:
    """Return the digest of everything that seeds one host."""
    total = hashlib.sha256(str(percent()).encode("ascii"))
    for file in SEEDS[name]:
        total.update(hashlib.sha256((_FOLDER / file).read_bytes()).digest())
    return total.hexdigest()[:16]


def wait_until_ready(slot: Slot) -> None:
    """Wait until the application answers, which needs its files and the database; LabError when it does not."""
    command = ["curl", "--silent", "--fail", "--max-time", "10", "http://127.0.0.1:8080/health"]
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        answer = engine.podman("exec", slot.host("app1").container, *command, check=False)
        if answer.stdout.strip() == b"ok":
            return
        if time.monotonic() > deadline:
            raise LabError(
                f"The application on app1 does not answer 'ok' within {_READY_SECONDS} s. Look with "
                "`podman exec yunwei-*-app1 journalctl -u mediation-app`, then try `yunwei lab reset app1`."
            )
        time.sleep(0.3)


def _mark_of(slot: Slot, name: str) -> str:
    found = engine.podman("exec", slot.host(name).container, "cat", _MARK, check=False)
    return found.stdout.decode("ascii", "replace").strip()


def _seed(slot: Slot, name: str) -> None:
    container = slot.host(name).container
    unpack = "rm -rf /run/yunwei-lab-seed && mkdir -m 0700 /run/yunwei-lab-seed && tar -x -C /run/yunwei-lab-seed"
    engine.execute(container, ["/bin/sh", "-euc", unpack], _archive(SEEDS[name]))
    script = _SCRIPT.format(
        address=slot.host("db1").address,
        application=slot.host("app1").address,
        percent=percent(),
        script=SEEDS[name][0],
        digest=digest(name),
        mark=_MARK,
    )
    engine.run_script(container, script, timeout=600)


def _archive(names: Iterable[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            archive.add(_FOLDER / name, arcname=name)
    return buffer.getvalue()
