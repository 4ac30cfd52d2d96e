"""Servers are hardened, proven and put back; a change that locks everybody out is taken back by its host."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harden_world import wait_for
from tests.lab.conftest import Lab
from tests.lab.test_kill import _kill_when

pytestmark = pytest.mark.lab

RUN = ("run", "harden-servers", "--system", "mediation")
HOSTS = ("app1", "db1")
CHANGES = "/var/lib/yunwei/hardening"
FILES = (
    "/etc/ssh/sshd_config",
    "/etc/login.defs",
    "/etc/pam.d/common-auth",
    "/etc/pam.d/common-password",
    "/etc/profile.d",
)
SITE_RULE = """rules:
  - id: site-lock-out
    title: {zh: 测试, en: test}
    risk: high
    restart: service
    settings: [{kind: sshd, name: %s, value: "%s"}]
"""


def picture(lab: Lab, host: str) -> str:
    """Return content, mode and owner of the files that hardening changes, and what sshd makes of them."""
    files = " ".join(FILES)
    words = f"find {files} ! -name '.yunwei-*' -printf '%m %u:%g %p\\n'; cat {' '.join(FILES[:-1])}; sshd -T"
    return lab.podman(host, "sh", "-c", words).stdout


@pytest.fixture(autouse=True)
def _as_before(lab: Lab) -> Iterator[None]:
    """Take every confirmed change of a test back, whatever became of it."""
    yield
    for host in HOSTS:
        script = (
            f"cd {CHANGES} 2>/dev/null || exit 0; for one in $(ls -r); do [ -e $one/confirmed ] || continue; "
            "mv $one/confirmed $one/armed; python3 $one/revert.py watch 0; done; rm -rf ./r-*"
        )
        lab.podman(host, "sh", "-c", script)


def _with_rule(lab: Lab, folder: Path, option: str, value: str) -> Lab:
    """Return the lab under an inventory whose own rule sets an option of sshd on the systems' hosts."""
    inventory = folder / "inventory"
    shutil.copytree(lab.inventory, inventory)
    (inventory / "policy/hardening").mkdir()
    (inventory / "policy/hardening/site.yml").write_text(SITE_RULE % (option, value), encoding="utf-8")
    mediation, estate = inventory / "policy/systems/mediation.yml", inventory / "policy/estate.yml"
    text = mediation.read_text(encoding="utf-8")
    assert "hardening:\n  level: 2\n" in text
    mediation.write_text(text.replace("  level: 2\n", "  level: 2\n  add: [site-lock-out]\n"), encoding="utf-8")
    with estate.open("a", encoding="utf-8") as file:
        file.write("hardening: {confirm_seconds: 20}\n")
    return Lab(lab.slot, inventory)


def test_a_host_that_nobody_can_log_in_to_takes_the_change_back_and_the_others_stay(lab: Lab, tmp_path: Path):
    before = {host: picture(lab, host) for host in HOSTS}
    done = _with_rule(lab, tmp_path, "AllowUsers", "nobody").json(*RUN, expect=1)
    assert "no fresh login with a key and sudo within 20 s of the change" in done["reason"]
    assert "The host has taken the change back by itself and answers again" in done["reason"]
    assert {item["host"] for item in done["items"]} == {"app1"}
    assert {host: picture(lab, host) for host in HOSTS} == before
    assert done["verification"] is None


def test_with_a_dead_controller_the_host_takes_back_a_change_of_its_port(lab: Lab, tmp_path: Path):
    before = picture(lab, "app1")
    armed = f"ls {CHANGES}/*/armed && ss -Htln | grep -q :2222"
    changed = _with_rule(lab, tmp_path, "Port", "2222")
    _kill_when(changed, RUN, lambda: lab.podman("app1", "sh", "-c", armed, check=False).returncode == 0)
    assert picture(lab, "app1") != before
    reverted = f"ls {CHANGES}/*/reverted && ss -Htln | grep -q :22"
    wait_for(lambda: lab.podman("app1", "sh", "-c", reverted, check=False).returncode == 0)
    assert picture(lab, "app1") == before


def test_servers_are_hardened_proven_left_alone_and_put_back(lab: Lab):
    lab.podman("app1", "sh", "-c", "chmod 0604 /etc/login.defs; chgrp mail /etc/login.defs")
    before = {host: picture(lab, host) for host in HOSTS}
    planned = lab.json("plan", "harden-servers", "--system", "mediation")
    assert {host: picture(lab, host) for host in HOSTS} == before
    would = {(item["host"], item["item"]) for item in planned["items"] if item["status"] == "would change"}
    assert {host for host, _ in would} == set(HOSTS)
    shown = {result["host"]: result["yunwei"].get("differences") for result in planned["results"]}
    assert "+X11Forwarding no" in shown["app1"]["/etc/ssh/sshd_config"]
    done = lab.json(*RUN)
    assert {(item["host"], item["item"]) for item in done["items"] if item["status"] == "changed"} == would
    assert done["verification"]["verdict"] == "passed", done["verification"]
    assert next(result["host"] for result in done["results"]) == "app1"
    assert "mail" in picture(lab, "app1")
    again = lab.playbook("harden_servers", "-e", json.dumps({"yunwei_systems": ["mediation"]}), env=dict(os.environ))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "changed=0" in again.stdout
    assert "changed=1" not in again.stdout
    undone = lab.json("run", "undo", "--change", done["run_id"], "--system", "mediation")
    assert {item["status"] for item in undone["items"]} == {"put back"}
    assert {host: picture(lab, host) for host in HOSTS} == before
