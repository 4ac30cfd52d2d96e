"""No restart is left half done; what the last one found running, listening and mounted is there in this start."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.work.restarts import serving

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
RECORDS = "/var/lib/yunwei/restart"
AS_OF = datetime.fromisoformat(os.environ.get("YUNWEI_AS_OF", datetime.now(UTC).isoformat()))
# What people close on a host later is no longer the restart's.
FRESH = timedelta(hours=1)


def concerned(host):
    """Return whether this host serves one of these systems, and so was the job's to look after."""
    return any(system.id in SYSTEMS for system in serving(POLICY, host.backend.get_hostname()))


@pytest.fixture
def last(host):
    """Return what the host remembers of its last proven restart, an empty dict where it had none."""
    with host.sudo():
        file = host.file(f"{RECORDS}/last.json")
        return json.loads(file.content_string) if concerned(host) and file.exists else {}


@pytest.fixture
def fresh(last):
    """Return the last restart where it was proven by this run or not long before, else an empty dict."""
    return last if last and datetime.fromisoformat(last["proven"]) > AS_OF - FRESH else {}


def identity(host):
    """Return this start's own mark: the kernel's boot id and the start of process 1."""
    boot = host.check_output("cat /proc/sys/kernel/random/boot_id")
    return f"{boot}:{host.check_output('cat /proc/1/stat').rpartition(')')[2].split()[19]}"


def test_no_restart_waits_for_its_proof(host):
    with host.sudo():
        assert not (concerned(host) and host.file(f"{RECORDS}/pending.json").exists)


def test_the_last_restart_was_a_real_one(host, last):
    if last:
        assert last["identity"] not in (last["new_identity"], identity(host))


def test_every_service_of_before_that_is_still_enabled_runs(host, last):
    enabled = [unit for unit in last.get("units", []) if host.run("systemctl is-enabled %s", unit).rc == 0]
    assert [unit for unit in enabled if host.run("systemctl is-active %s", unit).rc != 0] == []


def test_every_port_of_before_listens(host, fresh):
    wanted = {name.rpartition(":")[2] for name in fresh.get("listeners", []) if name.startswith("tcp")}
    listening = host.run("cat /proc/net/tcp /proc/net/tcp6").stdout.splitlines()
    found = {str(int(line.split()[1].rpartition(":")[2], 16)) for line in listening if line.split()[3] == "0A"}
    assert wanted - found == set()


def test_every_file_system_of_before_is_mounted(host, fresh):
    mounted = {line.split()[4] for line in host.check_output("cat /proc/1/mountinfo").splitlines()}
    assert set(fresh.get("mounts", [])) - mounted == set()
