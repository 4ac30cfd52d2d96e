"""Two controllers on real hosts: one is suspended, its lock released by a person, and it is overtaken and resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.conftest import BIN, Lab
from yunwei.ledger import Ledger
from yunwei.paths import content_root

pytestmark = [pytest.mark.lab, pytest.mark.long]

SYSTEM = "mediation"
_ACT = "    - name: Pull what is due\n"
_WAIT = """    - name: Wait for a word
      ansible.builtin.wait_for: {{path: "{path}", timeout: 900}}
      delegate_to: localhost
      become: false
      run_once: true

"""


def _waiting_playbook(folder: Path) -> Path:
    """Return a copy of the backup's playbook that waits between its gate and its acting."""
    shutil.copytree(content_root() / "playbooks", folder / "playbooks")
    playbook = folder / "playbooks" / "back_up.yml"
    text = playbook.read_text(encoding="utf-8")
    assert text.count(_ACT) == 1
    playbook.write_text(text.replace(_ACT, _WAIT.format(path=folder / "go") + _ACT), encoding="utf-8")
    return playbook


def _start(lab: Lab, folder: Path) -> subprocess.Popen[str]:
    """Start the job on a controller of its own, with a ledger of its own, and return once it waits."""
    environment = {name: value for name, value in os.environ.items() if name != "YUNWEI_LEDGER"}
    options = [
        "-i",
        str(lab.inventory / "hosts.yml"),
        "-e",
        json.dumps({"yunwei_systems": [SYSTEM], "yunwei_now": True}),
    ]
    started = subprocess.Popen(
        [str(BIN / "ansible-playbook"), *options, str(_waiting_playbook(folder))],
        cwd=content_root(),
        env={**environment, "YUNWEI_STATE": str(folder / "state"), "YUNWEI_RUN_ID": "r-sleeper"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert started.stdout is not None
    said = []
    for line in started.stdout:
        said.append(line)
        if "TASK [Wait for a word]" in line:
            return started
    started.communicate()
    raise AssertionError("it ended before it waited:\n" + "".join(said))


def _records(lab: Lab) -> str:
    return lab.podman("backup1", "sh", "-c", f"find /srv/backup/{SYSTEM} -name '*.json' | sort").stdout


def test_a_suspended_controller_that_was_overtaken_is_refused_on_the_host(lab: Lab, tmp_path: Path):
    # Only this controller's ledger knows which runs of earlier tests are dead and gives their lock back.
    lab.json("run", "back-up", "--system", SYSTEM)
    sleeper = _start(lab, tmp_path)
    try:
        sleeper.send_signal(signal.SIGSTOP)
        (held,) = [row for row in lab.json("locks", "list") if row["system"] == SYSTEM]
        assert (held["run_id"], held["job"], held["who"]) == ("r-sleeper", "back-up", "userpass:engineer")
        assert lab.run("run", "back-up", "--system", SYSTEM).returncode == 3
        released = lab.json("locks", "release", SYSTEM, "--reason", "the controller does not answer")
        assert released["released"]["run_id"] == "r-sleeper"
        heir = lab.json("run", "back-up", "--now", "--system", SYSTEM)
        before = _records(lab)
        (tmp_path / "go").touch()
    finally:
        sleeper.send_signal(signal.SIGCONT)
        said, _ = sleeper.communicate(timeout=600)
    assert sleeper.returncode == 2, said
    assert _records(lab) == before
    record = Ledger.open(tmp_path / "state" / "ledger.sqlite").show("r-sleeper")
    assert (record["status"], record["exit_code"]) == ("refused", 3)
    assert f"run r-sleeper (job back-up) has lock number {held['number']} of system {SYSTEM}" in record["reason"]
    assert heir["run_id"] in record["reason"]

    newest = json.loads(lab.podman("backup1", "cat", f"/var/lib/yunwei/locks/{SYSTEM}.json").stdout)
    assert (newest["run_id"], newest["number"] > held["number"]) == (heir["run_id"], True)
    seen = lab.podman("backup1", "stat", "-c", "%U %a", f"/var/lib/yunwei/locks/{SYSTEM}.json").stdout
    assert seen.split() == ["root", "600"]
