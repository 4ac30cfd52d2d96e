"""A host that shows another key than the pinned one is refused by every tool that talks to hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from yunwei import proofs, runner
from yunwei.jobs import Job, JobClass, Proof
from yunwei.paths import content_root
from yunwei.remote import Endpoint, RemoteError, connect
from yunwei.work.pins import pinned_keys

pytestmark = pytest.mark.lab

HOST = "app1"
PLAY = """
- hosts: app1
  gather_facts: false
  vars: {yunwei_unrecorded: true}
  tasks:
    - ansible.builtin.ping:
"""


@pytest.fixture
def swapped(lab, tmp_path, monkeypatch) -> Path:
    """Return a copy of the inventory whose pinned key of app1 is another host's, past any live connection."""
    monkeypatch.setenv("ANSIBLE_SSH_ARGS", "-o ControlPath=none -o ControlMaster=no")
    known = Path(f"/dev/shm/yunwei-lab-{lab.slot}/ssh/known_hosts")
    text = (lab.inventory / "hosts.yml").read_text(encoding="utf-8")
    false_keys = tmp_path / "known_hosts"
    false_keys.write_text(_swap(known.read_text(encoding="utf-8"), _address(lab)), encoding="utf-8")
    (tmp_path / "hosts.yml").write_text(text.replace(str(known), str(false_keys)), encoding="utf-8")
    (tmp_path / "policy").symlink_to(lab.inventory / "policy")
    return tmp_path


def _address(lab, host: str = HOST) -> str:
    import yaml

    hosts = yaml.safe_load((lab.inventory / "hosts.yml").read_text(encoding="utf-8"))
    return str(hosts["all"]["children"]["sources"]["hosts"][host]["ansible_host"])


def _swap(known: str, address: str) -> str:
    lines = known.splitlines()
    stranger = next(line for line in lines if line.split()[0] != address and "ed25519" in line).split(maxsplit=1)[1]
    return "\n".join([line for line in lines if line.split()[0] != address] + [f"{address} {stranger}"]) + "\n"


def _play(tmp_path: Path) -> Path:
    play = tmp_path / "ping.yml"
    play.write_text(PLAY, encoding="utf-8")
    return play


def _ansible(play: Path, inventory: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory / "hosts.yml"), str(play)]
    return subprocess.run(
        command, cwd=content_root(), env=dict(os.environ), capture_output=True, text=True, check=False
    )


def test_ansible_playbook_refuses(lab, swapped, tmp_path):
    assert _ansible(_play(tmp_path), lab.inventory).returncode == 0, "the true key must pass, or this proves nothing"
    refused = _ansible(_play(tmp_path), swapped)
    assert refused.returncode == 4
    assert "HOST IDENTIFICATION HAS CHANGED" in refused.stdout + refused.stderr


def test_ansible_runner_refuses(lab, swapped, tmp_path):
    def ends_with(inventory: Path) -> int:
        return runner.run(
            runner.Launch(_play(tmp_path), inventory, {}), lambda *_: None, runner.new_run_id()
        ).return_code

    assert ends_with(lab.inventory) == 0
    assert ends_with(swapped) == 4


def test_testinfra_refuses(lab, swapped, tmp_path, monkeypatch):
    verify = tmp_path / "roles" / "sample" / "verify"
    verify.mkdir(parents=True)
    (verify / "test_sample.py").write_text(
        "def test_it(host):\n    assert host.file('/etc').exists\n", encoding="utf-8"
    )
    settings = (content_root() / "ansible.cfg").read_text(encoding="utf-8")
    (tmp_path / "ansible.cfg").write_text(
        re.sub("control_path = .*", "control_path = none", settings), encoding="utf-8"
    )
    for module in (proofs, runner):
        monkeypatch.setattr(module, "content_root", lambda: tmp_path)
    job = Job("sample", JobClass.READ_ONLY, "", (Proof("sample", HOST),))
    assert proofs.prove(job, lab.inventory, []).verdict == "passed"
    assert proofs.prove(job, swapped, []).verdict == "could not judge"


def test_molecule_refuses(lab, swapped, tmp_path):
    project = tmp_path / "project"
    scenario = project / "molecule" / "sample"
    scenario.mkdir(parents=True)
    (scenario / "molecule.yml").write_text("{}\n", encoding="utf-8")
    (scenario / "converge.yml").write_text(PLAY, encoding="utf-8")
    (project / "ansible.cfg").write_text((content_root() / "ansible.cfg").read_text(encoding="utf-8"), encoding="utf-8")

    def converge(inventory: Path) -> subprocess.CompletedProcess[str]:
        command = [
            str(Path(sys.executable).parent / "molecule"),
            "--base-config",
            str(content_root() / "molecule" / "base.yml"),
        ]
        return subprocess.run(
            [*command, "converge", "-s", "sample"],
            cwd=project,
            env={
                **os.environ,
                **runner.environment(),
                "YUNWEI_INVENTORY": str(inventory),
                "YUNWEI_SYSTEMS": "",
                # By default it is in the home folder, under the project's name, with links that an earlier test left.
                "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / inventory.name),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    good = converge(lab.inventory)
    assert good.returncode == 0, good.stdout + good.stderr
    refused = converge(swapped)
    assert refused.returncode != 0
    assert "HOST IDENTIFICATION HAS CHANGED" in refused.stdout + refused.stderr


def test_fabric_refuses(lab, swapped):
    shm = Path(f"/dev/shm/yunwei-lab-{lab.slot}/ssh")

    def say_hello(known_hosts: Path) -> str:
        address, key = _address(lab), (shm / "ops_key").read_text(encoding="utf-8")
        with connect(Endpoint(address, "ops", key, pinned_keys(known_hosts, [(address, 22)]))) as connection:
            return str(connection.run("echo hello").stdout).strip()

    assert say_hello(shm / "known_hosts") == "hello"
    with pytest.raises(RemoteError, match="does not match"):
        say_hello(swapped / "known_hosts")
