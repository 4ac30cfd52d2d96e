"""Copies of an inventory that a test may spoil."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from yunwei import policy
from yunwei.paths import content_root

TODAY = date(2026, 12, 1)
ESTATE = "policy/estate.yml"
MEDIATION = "policy/systems/mediation.yml"
LEGALSERVICE = "policy/systems/legalservice.yml"
CALENDAR = "policy/calendar/calendar.yml"


class InventoryCopy:
    """A copy of `inventories/<name>`, complete with the public files that its estate names."""

    def __init__(self, folder: Path, name: str = "lab") -> None:
        self.folder = folder / name
        shutil.copytree(content_root() / "inventories" / name, self.folder)
        self.known_hosts = folder / "known_hosts"
        self.receipt_key = folder / "miyun_receipt.pub"

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text that must be there."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} holds no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def write(self, file: str, text: str) -> None:
        """Write a file, with its folder."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def problems(self, today: date = TODAY) -> list[policy.Problem]:
        """Return what `yunwei validate` would report."""
        return policy.validate(self.folder, today)

    def only_problem(self, today: date = TODAY) -> policy.Problem:
        """Return the problem, of which there must be exactly one."""
        found = self.problems(today)
        assert len(found) == 1, "\n".join(str(problem) for problem in found)
        return found[0]

    def load(self, today: date = TODAY) -> policy.Policy:
        """Return the policy."""
        return policy.load(self.folder, today)

    def pin_everything(self) -> InventoryCopy:
        """Write the public files that estate.yml names: a pin for every host and for the second site, a receipt key.

        Returns this copy.
        """
        loaded = self.load()
        miyun = loaded.estate.sites.miyun
        places = [(host.address, host.port) for host in loaded.hosts.values()] + [(miyun.address, miyun.port)]
        lines = [
            f"{address if port == 22 else f'[{address}]:{port}'} ssh-ed25519 PIN-{address}" for address, port in places
        ]
        self.known_hosts.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.receipt_key.write_text("ssh-ed25519 RECEIPT miyun\n", encoding="utf-8")
        self.edit(ESTATE, loaded.estate.known_hosts_file, str(self.known_hosts))
        pins = f"yunwei_known_hosts_file: {loaded.estate.known_hosts_file}"
        self.edit("hosts.yml", pins, f"yunwei_known_hosts_file: {self.known_hosts}")
        self.edit(ESTATE, miyun.receipt_public_key_file, str(self.receipt_key))
        return self
