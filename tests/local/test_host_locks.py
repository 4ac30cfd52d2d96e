"""`yunwei locks list --hosts`: the real playbook against hosts that are this machine, with a /run of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.estates import BIN, Estate
from yunwei.paths import content_root

HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from yunwei_host.hostlock import HostLock
with HostLock("mediation", {"run_id": "r-at-work", "job": "back-up"}, numbered=False):
    print("held", flush=True)
    sys.stdin.read()
"""
# Another run's lock would be refused while ours is held: this machine's own folder stays as it is. The shell must
# outlive the command, for with it ends the holder's input.
SCRIPT = """
set -e
mount -t tmpfs tmpfs /run
coproc holder { exec "$1" "$2" "$3"; }
read -r said <&"${holder[0]}"
test "$said" = held
shift 3
"$@" || exit
"""


@pytest.fixture
def listed(estate: Estate, tmp_path: Path):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a mount namespace")
    program = tmp_path / "holder.py"
    program.write_text(HOLDER)
    holder = [sys.executable, str(program), str(content_root() / "module_utils")]

    def run(*words: str, expect: int = 0) -> list[dict[str, Any]]:
        command = [str(BIN / "yunwei"), "locks", "list", "-i", str(estate.inventory.folder), "--json", *words]
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", SCRIPT, "bash", *holder, *command],
            env=estate.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return list(json.loads(done.stdout))

    return run


def test_who_is_at_work_on_the_hosts_is_listed_and_recorded_as_a_run_that_only_reads(listed, estate: Estate):
    estate.inventory.edit("hosts.yml", "/usr/bin/python2.7", "/nowhere/python")
    rows = listed("--hosts", expect=1)
    unread = [row for row in rows if "unread" in row]
    assert [row["place"] for row in unread] == ["legacy1"]
    held = [row for row in rows if "unread" not in row]
    assert {row["place"] for row in held} == {"app1", "db1", "backup1", "scratch1"}
    for row in held:
        told = (row["system"], row["run_id"], row["job"], row["run_state"])
        assert told == ("mediation", "r-at-work", "back-up", "alive")
        assert row["released_by"] == f"the end of process {row['pid']} on {row['place']}, and nothing else"
    run = estate.last_run()
    assert (run["job"], run["permits"][0]["locks"], run["signed"]) == ("list-locks", {}, "yes")
    estate.inventory.edit("hosts.yml", "/nowhere/python", sys.executable)
    assert listed("--hosts", "--system", "legalservice") == []
