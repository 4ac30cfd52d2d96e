"""A light writing load on the lab's databases and files: backups are taken while it runs."""

from __future__ import annotations

from yunwei.lab import engine
from yunwei.lab.topology import Slot

# One psql session per database, fed a statement ten times a second; it starts again when the database was away.
_DATABASE = """
for pair in mediation:mediation.work legalservice:service.work; do
    systemctl is-active --quiet yunwei-load-${pair%%:*} && continue
    systemd-run --quiet --collect --unit yunwei-load-${pair%%:*} --uid postgres \\
        --property Restart=always --property RestartSec=1 --property WorkingDirectory=/ \\
        sh -c 'n=0; while :; do n=$((n + 1)); echo "SELECT '${pair#*:}'($n);"; sleep 0.1; done |
               psql --no-psqlrc --quiet --output /dev/null --dbname '${pair%%:*}
done
"""
# A log that grows, and a file that is written over from its start: whoever reads them sees them change.
_FILES = """
systemctl is-active --quiet yunwei-load-files || systemd-run --quiet --collect --unit yunwei-load-files \\
    --uid mediation --property Restart=always /usr/bin/python3 -c '
import os, time
from pathlib import Path
root, turn = Path("/srv/mediation"), 0
while True:
    turn += 1
    with (root / "log/service.log").open("a") as log:
        log.write(f"{time.time()} request {turn}\\n")
    with (root / "data/changing.bin").open("wb") as file:
        file.write(os.urandom(300_000))
    time.sleep(0.05)
'
"""
_SCRIPTS = {"db1": _DATABASE, "app1": _FILES}
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
