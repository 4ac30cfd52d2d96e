"""A light writing load on the lab's databases and files: backups are taken while it runs."""

from __future__ import annotations

from yunwei.lab import engine
from yunwei.lab.topology import Slot

_UNIT = """
unit() {
    name=yunwei-load-$1; account=$2; shift 2
    systemctl is-active --quiet $name && return
    systemctl reset-failed $name 2> /dev/null || :
    systemd-run --quiet --collect --unit $name --uid $account --working-directory=/ --property TimeoutStopSec=5 \\
        --property Restart=always --property RestartSec=1 --property StartLimitIntervalSec=0 "$@"
}
mkdir -p /run/yunwei-load
"""
# One psql session per database that works ten times a second; a new one starts when the database was away.
_DATABASE = r"""
turns() {
    echo "SELECT $2((extract(epoch FROM clock_timestamp()) * 10)::bigint) \\watch 0.1" > /run/yunwei-load/$1.sql
    unit $1 postgres psql --no-psqlrc --quiet --output /dev/null --dbname $1 --file /run/yunwei-load/$1.sql
}
turns mediation mediation.work
turns legalservice service.work
"""
# A log that grows, and a file that is written over from its start: whoever reads them sees them change.
_FILES = r"""
cat > /run/yunwei-load/files.py <<'END'
import os, time
from pathlib import Path
root, turn = Path("/srv/mediation"), 0
while True:
    turn += 1
    with (root / "log/service.log").open("a") as log:
        log.write(f"{time.time()} request {turn}\n")
    with (root / "data/changing.bin").open("wb") as file:
        file.write(os.urandom(300_000))
    time.sleep(0.05)
END
unit files mediation /usr/bin/python3 /run/yunwei-load/files.py
"""
_SCRIPTS = {"db1": _UNIT + _DATABASE, "app1": _UNIT + _FILES}
_STOP = """
for unit in $(systemctl list-units --plain --no-legend --all 'yunwei-load-*' | cut -d' ' -f1); do
    systemctl stop "$unit"
done
"""


def start(slot: str) -> None:
    """Start the load; nothing happens where it runs already. Raises LabError."""
    for name, script in _SCRIPTS.items():
        engine.run_script(Slot(slot).host(name).container, script)


def stop(slot: str) -> None:
    """Stop the load; nothing happens where none runs. Raises LabError."""
    for name in _SCRIPTS:
        engine.run_script(Slot(slot).host(name).container, _STOP)
