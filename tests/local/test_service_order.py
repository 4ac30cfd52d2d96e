"""When and in which order a recovery stops and starts services: the real role and modules, as a check of themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.estates import BIN
from tests.inventories import MEDIATION, InventoryCopy
from yunwei import work
from yunwei.paths import content_root

SERVICES = {"web": ("app1", 30), "store": ("db1", 10), "app": ("app1", 20), "postgresql": ("db1", 5)}
PLAY = """
- name: Recover files
  hosts: app1,db1
  gather_facts: false
  vars: {yunwei_unrecorded: true}
  roles: [system_restore]
"""


class Recovery:
    """The files of system mediation come back to app1 and db1, which are folders of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inventory = InventoryCopy(folder)
        self.inventory.pin_everything()
        local = f"ansible_python_interpreter: {sys.executable}\n    ansible_connection: local\n"
        self.inventory.edit("hosts.yml", "ansible_python_interpreter: /usr/bin/python3\n", local)
        policy = yaml.safe_load((self.inventory.folder / MEDIATION).read_text(encoding="utf-8"))
        policy["services"] = [
            {"host": host, "unit": f"{name}.service", "order": order} for name, (host, order) in SERVICES.items()
        ]
        rule = policy["file_sets"][0]
        policy["file_sets"] = [{**rule, "paths": [str(folder / "srv")]}]
        policy["file_sets"] += [{**rule, "name": "more", "host": "db1", "paths": [str(folder / "more")]}]
        self.inventory.write(MEDIATION, yaml.safe_dump(policy, allow_unicode=True))

    def play(self) -> list[str]:
        """Return the services that the role goes through, in its order."""
        options = work.RestoreOptions(restore_id="r-order", site="local", hosts=["app1", "db1"])
        unit = work.recover_work(self.inventory.load(), "mediation", options, datetime.now(UTC))
        unit["items"] = [item for item in unit["items"] if item["kind"] == "files"]  # this machine may have a cluster
        unit.update(reserve_bytes=1, work_dir=str(self.folder / "restore" / "r-order"), application=None)
        permit = {"run_id": "r-order", "job": "recover-system", "systems": ["mediation"]}
        given = {f"system_restore_{name}": value for name, value in {"work": unit, "permit": permit}.items()}
        (self.folder / "play.yml").write_text(PLAY, encoding="utf-8")
        hosts = str(self.inventory.folder / "hosts.yml")
        further = {"system_restore_secrets": {}, "system_restore_program": "/nonexistent"}
        words = ["-i", hosts, "-e", json.dumps({**given, **further}), "--check", str(self.folder / "play.yml")]
        settings = {"ANSIBLE_CONFIG": str(content_root() / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        command = [str(BIN / "ansible-playbook"), *words]
        done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
        self.code, self.said = done.returncode, done.stdout + done.stderr
        return re.findall(r"\(item=(\S+ \S+)\.service\)", done.stdout)


@pytest.fixture
def recovery(tmp_path: Path) -> Recovery:
    return Recovery(tmp_path)


def test_services_stop_in_reverse_and_start_in_order_and_the_databases_server_never_stops(recovery: Recovery):
    found = recovery.play()
    assert found[:3] == ["app1 web", "app1 app", "db1 store"], recovery.said
    assert found[3:] == ["db1 postgresql", "db1 store", "app1 app", "app1 web"], recovery.said
    assert recovery.code == 0, recovery.said


def test_a_host_that_is_refused_keeps_the_services_of_all_hosts_running(recovery: Recovery):
    (recovery.folder / "more").mkdir()
    (recovery.folder / "more" / "living").touch()
    assert recovery.play() == [], recovery.said
    assert "nothing is overwritten" in recovery.said
    assert recovery.code == 2
