"""The lab as the place to measure on: what is run there, what is put aside before and put back after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yunwei.errors import LabError
from yunwei.lab import engine, inventory, keys
from yunwei.lab.topology import Slot
from yunwei.paths import content_root

# The smaller system of the lab: what is measured is what this harness adds to it. Its database has the same name.
SYSTEM = "legalservice"
FILES_HOST, FILE_SET = "legacy1", "/srv/portal"
BIN = Path(sys.executable).parent
_TIMEOUT_SECONDS = 4 * 3600
_ASIDE = "/srv/bench-aside"

# host: what yunwei keeps there of the system, and what this harness keeps
_STORES = {
    "backup1": (f"/srv/backup/{SYSTEM}/repo", f"/srv/backup/{SYSTEM}/records", f"/var/cache/yunwei/{SYSTEM}"),
    "miyun1": (
        *(f"/srv/miyun/{SYSTEM}/{name}" for name in ("config", "data", "index", "keys", "locks", "snapshots")),
        # The keys of the repository that is put aside are the only ones that the site takes.
        f"/var/lib/miyun-sign/pins/{SYSTEM}.json",
        # The measurements' own ledger is shorter than the one whose heads lie there.
        f"/srv/miyun_heads/{SYSTEM}.jsonl",
    ),
}
# Each step can be cut off by a kill: what is found of {aside}, .new or .back says where to go on.
_FINISH = """
if [ -d {aside}.back ]; then
    for path in {paths}; do
        [ ! -e {aside}.back$path ] || mv {aside}.back$path $path
    done
    rm -rf {aside}.back
fi
"""
PUT_ASIDE = f"""{_FINISH}
[ ! -d {{aside}} ] || exit 0
mkdir -p -m 0700 {{aside}}.new
for path in {{paths}}; do
    [ -e $path ] || continue
    mkdir -p {{aside}}.new$(dirname $path)
    mv $path {{aside}}.new$path
done
mv {{aside}}.new {{aside}}
"""
PUT_BACK = f"""
if [ -d {{aside}} ]; then
    rm -rf {{paths}}
    mv {{aside}} {{aside}}.back
fi
{_FINISH}"""
_TIMED = """
began=$EPOCHREALTIME
{{
{script}
}} < /dev/null >&2
ended=$EPOCHREALTIME
awk "BEGIN {{ print $ended - $began }}"
"""


@dataclass(frozen=True)
class Wish:
    """How much is measured: gigabytes of database, number of files, turns, and the sizes that a forecast is made of."""

    gigabytes: float
    files: int
    turns: int
    sizes: Sequence[float]
    predicted: float


@dataclass(frozen=True)
class Ground:
    """A running lab; every measurement is of the system `legalservice`, whose own backups are put aside meanwhile."""

    slot: Slot

    @property
    def inventory(self) -> Path:
        """Folder of the lab's inventory."""
        return inventory.hosts_dir(self.slot)

    def demand_up(self) -> None:
        """Raise LabError where the lab was not made."""
        if not keys.known_hosts(self.slot).is_file():
            raise LabError(f"the lab of slot {self.slot.name} is not up; make it with `yunwei lab up`, then measure")

    def shell(self, host: str, script: str) -> str:
        """Run a bash script as root on a host and return what it printed; LabError when any command of it fails."""
        words = ["/bin/bash", "-euo", "pipefail", "-s"]
        container = self.slot.host(host).container
        return engine.execute(container, words, script.encode(), _TIMEOUT_SECONDS).decode("utf-8", "replace")

    def timed(self, host: str, script: str) -> float:
        """Run a script on a host and return its seconds by that host's clock."""
        return float(self.shell(host, _TIMED.format(script=script)).split()[-1])

    def traffic(self, host: str) -> int:
        """Return the bytes that a host has sent and received over the network so far."""
        lines = self.shell(host, "cat /proc/net/dev").splitlines()[2:]
        fields = [line.split(":")[1].split() for line in lines if not line.strip().startswith("lo:")]
        return sum(int(numbers[0]) + int(numbers[8]) for numbers in fields)

    def environment(self) -> dict[str, str]:
        """Return the environment of yunwei: this lab's inventory, and a ledger of the measurements' own."""
        state = str(content_root() / "build" / "bench" / "state")
        return {**os.environ, "YUNWEI_INVENTORY": str(self.inventory), "YUNWEI_STATE": state}

    def yunwei(self, *words: str, allowed: Sequence[int] = (0,)) -> tuple[dict[str, Any], float]:
        """Run a command of yunwei with `--json`; return its document and its seconds. LabError when it fails.

        `allowed` are the exit codes of success: an inspection's 1 says that it found something.
        """
        began = time.monotonic()
        done = subprocess.run(
            [str(BIN / "yunwei"), *words, "--json"], env=self.environment(), capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
        if done.returncode not in allowed:
            said = done.stderr[-2000:] or done.stdout[-2000:]
            raise LabError(f"yunwei {' '.join(words)} ended with {done.returncode}; nothing was measured: {said}")
        return json.loads(done.stdout), seconds

    def empty(self, *hosts: str) -> None:
        """Remove the system's repository, with records and caches, at the sites of these hosts (default: at both)."""
        for host in hosts or _STORES:
            self.shell(host, f"rm -rf {' '.join(_STORES[host])}")
        self.shell("backup1", f"rm -rf /var/cache/yunwei/{SYSTEM}")

    @contextmanager
    def own_stores(self) -> Iterator[None]:
        """Put the system's repositories and records aside while the block runs."""
        for host, paths in _STORES.items():
            self.shell(host, PUT_ASIDE.format(aside=_ASIDE, paths=" ".join(paths)))
        try:
            yield
        finally:
            for host, paths in _STORES.items():
                self.shell(host, PUT_BACK.format(aside=_ASIDE, paths=" ".join(paths)))


def item_of(document: dict[str, Any], item: str) -> dict[str, Any]:
    """Return the line of an item that was backed up; LabError when it was not."""
    found = [line for line in document["items"] if line["item"] == item and line["status"] == "accepted"]
    if len(found) != 1:
        raise LabError(f"{item} was not backed up; nothing was measured: {document['items']}")
    return dict(found[0])
