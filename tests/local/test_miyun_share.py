"""The second site's role demands the share itself before it changes anything: no folder of the host, no other mount."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.estates import BIN
from tests.mounts import mount_disk, own_mounts
from yunwei.paths import content_root

MARKER = "/srv/miyun/.yunwei-share"
# What is done to the host first, and what the role then says.
CASES = {
    "no mount point at all": ("true", "share box1 is not mounted at /srv/miyun"),
    "a marked folder of the host": (
        f"mkdir /srv/miyun; echo box1 > {MARKER}",
        "share box1 is not mounted at /srv/miyun",
    ),
    "a mount without a mark": (
        "mount -t tmpfs none /srv/miyun",
        "what is mounted at /srv/miyun is not marked as share",
    ),
    "the share": (f"echo box1 > {MARKER}", "taken"),
}
PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {miyun_site_kind: gateway_share, miyun_site_share_name: box1, said: []}
  tasks:
    - {ansible.builtin.include_tasks: case.yml, loop: "{{ cases }}", loop_control: {loop_var: first}}
    - {ansible.builtin.copy: {content: "{{ said | to_json }}", dest: "{{ answers }}"}}
"""
CASE = """
- ansible.builtin.shell: "{{ first }}"
- block:
    - ansible.builtin.include_role: {name: miyun_site, tasks_from: preflight.yml}
    - ansible.builtin.set_fact: {said: "{{ said + ['taken'] }}"}
  rescue:
    - ansible.builtin.set_fact: {said: "{{ said + [ansible_failed_result.msg] }}"}
"""


def test_only_the_mounted_share_is_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    (tmp_path / "case.yml").write_text(CASE)
    told: dict[str, Any] = {"cases": [first for first, _ in CASES.values()], "answers": str(tmp_path / "answers")}
    told["ansible_python_interpreter"] = sys.executable
    command = [str(BIN / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(content_root() / "ansible.cfg")}
    with own_mounts():
        mount_disk(Path("/srv"), 1)
        done = subprocess.run(
            [*command, "-e", json.dumps(told)], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(zip(CASES, json.loads((tmp_path / "answers").read_text()), strict=True))
    assert [(case, said[case]) for case, (_, wanted) in CASES.items() if wanted not in said[case]] == []
