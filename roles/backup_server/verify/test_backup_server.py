"""The backup server has its tools and its store, and lets restores read, not write."""

import os
from pathlib import Path

import pytest

from yunwei import policy

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
STORE = POLICY.estate.sites.local.path


@pytest.mark.parametrize("program", ["restic", "rclone", "ssh", "ssh-agent", "pg_restore"])
def test_the_tools_are_there(host, program):
    assert host.exists(program)


@pytest.mark.parametrize("system", POLICY.systems)
def test_the_store_is_root_s_and_readable_by_restores_only(host, system):
    with host.sudo():
        folder = host.file(f"{STORE}/{system}")
        assert (folder.user, folder.group, folder.mode) == ("root", "yunwei-read", 0o2750)
        assert host.run(f"sudo -n -u yunwei-read touch {STORE}/{system}/probe").rc != 0


def test_every_reading_key_is_tied_to_the_gate(host):
    with host.sudo():
        keys = host.file("/var/lib/yunwei-read/.ssh/authorized_keys")
        assert (keys.user, keys.mode) == ("root", 0o644)
        lines = [line for line in keys.content_string.splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(POLICY.systems)
    for line in lines:
        assert line.startswith('restrict,command="/usr/libexec/yunwei/repository_gate.py read ')


@pytest.mark.parametrize("name", ["repository_gate.py", "site_facts.py"])
def test_the_gate_and_what_answers_inspections_are_root_s(host, name):
    program = host.file(f"/usr/libexec/yunwei/{name}")
    assert (program.user, program.group, program.mode) == ("root", "root", 0o755)
