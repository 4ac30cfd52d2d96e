"""An estate of local hosts: whole runs without a lab, against a real OpenBao and a real ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.inventories import ESTATE, InventoryCopy
from tests.openbao import CANARY, RealVault
from yunwei.ledger import Ledger
from yunwei.paths import content_root

FIXTURES = content_root() / "tests" / "fixtures" / "session"
BIN = Path(os.environ.get("TEST_ANSIBLE_BIN", str(Path(sys.executable).parent)))


@dataclass
class Estate:
    """An inventory of local hosts, a ledger of its own, and the commands a user would type."""

    bao: RealVault
    inventory: InventoryCopy
    state: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger.open(self.state / "ledger.sqlite")

    @property
    def marker(self) -> Path:
        return self.state / "marker"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("YUNWEI_", "ANSIBLE_"))},
            "ANSIBLE_CONFIG": str(content_root() / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "YUNWEI_STATE": str(self.state),
            **more,
        }

    def command(self, *words: str, playbook: Path = FIXTURES / "back_up.yml") -> list[str]:
        hosts = str(self.inventory.folder / "hosts.yml")
        return [str(BIN / "ansible-playbook"), "-i", hosts, "-e", f"demo_marker={self.marker}", str(playbook), *words]

    def play(self, *words: str, expect: int = 0, **more: str) -> str:
        """Run the demonstration and return what it printed."""
        done = self._run(self.command(*words), more)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def playbook(self, file: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the project the plain way, as an account that needs no sudo."""
        given = ["-i", str(self.inventory.folder / "hosts.yml"), "-e", "{ansible_become: false}"]
        return self._run([str(BIN / "ansible-playbook"), *given, str(file), *words], more)

    def yunwei(self, *words: str, expect: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `yunwei` on this inventory; it must end with `expect`."""
        done = self._run([str(BIN / "yunwei"), *words, "-i", str(self.inventory.folder)], more)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def _run(self, command: list[str], more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.environment(**more), capture_output=True, text=True, check=False)

    def last_run(self) -> dict[str, Any]:
        return self.ledger.show(self.ledger.list()[-1]["id"])


def make_inventory(bao: RealVault, folder: Path) -> InventoryCopy:
    """Return a copy of the lab's inventory whose Vault is `bao`, with free locks and every secret there."""
    for system in ("mediation", "legalservice"):
        bao.root.secrets.kv.v2.delete_metadata_and_all_versions(f"locks/{system}", mount_point="yunwei")
        bao.put(f"systems/{system}/source-legacy1", private_key=f"{CANARY}-{system}-source-legacy1")
    copy = InventoryCopy(folder)
    copy.pin_everything()
    copy.edit(ESTATE, "https://127.0.0.1:18200", bao.address)
    copy.edit(ESTATE, "/dev/shm/yunwei-lab-demo/vault/ca.pem", str(bao.ca_file))
    copy.edit(ESTATE, "/dev/shm/yunwei-lab-demo/logins/engineer.json", str(bao.logins / "engineer.json"))
    return copy


def make_estate(bao: RealVault, folder: Path) -> Estate:
    """Return an estate whose hosts are all this machine."""
    copy = make_inventory(bao, folder)
    interpreter = f"ansible_python_interpreter: {sys.executable}\n    ansible_connection: local"
    copy.edit("hosts.yml", "ansible_python_interpreter: /usr/bin/python3\n", f"{interpreter}\n")
    copy.load()
    return Estate(bao, copy, folder / "state")
