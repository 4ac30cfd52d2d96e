"""The inventory of a slot: the demo slot uses inventories/lab itself, any other a copy with its own addresses."""

from __future__ import annotations

import re
from pathlib import Path

from yunwei.lab import memory
from yunwei.lab.topology import DEFAULT_SLOT, HOST_NAMES, Slot
from yunwei.paths import content_root


def hosts_dir(slot: Slot) -> Path:
    """Folder to give as `-i`: hosts.yml and policy/."""
    return _source("lab") if slot.name == DEFAULT_SLOT else slot.secrets_dir / "inventory"


def miyun_admin_dir(slot: Slot) -> Path:
    """Folder of the inventory that the second site's administrator uses."""
    return _source("lab_miyun_admin") if slot.name == DEFAULT_SLOT else slot.secrets_dir / "inventory_miyun_admin"


def ensure(slot: Slot) -> None:
    """Write the slot's copies; nothing to do for the demo slot."""
    if slot.name == DEFAULT_SLOT:
        return
    for source, target in ((_source("lab"), hosts_dir(slot)), (_source("lab_miyun_admin"), miyun_admin_dir(slot))):
        _copy(source, target, slot)


def translate(text: str, slot: Slot) -> str:
    """Return a text of the demo slot's inventory with the folder, addresses and Vault port of another slot."""
    demo = Slot(DEFAULT_SLOT)
    pairs = {demo.host(name).address: slot.host(name).address for name in HOST_NAMES}
    pairs[str(demo.vault_port)] = str(slot.vault_port)
    pairs[demo.secrets_dir.name] = slot.secrets_dir.name
    words = "|".join(re.escape(word) for word in sorted(pairs, key=len, reverse=True))
    # Whole words only: 198.51.100.11 must not be found within 198.51.100.110.
    return re.sub(rf"(?<![\w.])(?:{words})(?!\w|\.\d)", lambda found: pairs[found.group()], text)


def _copy(source: Path, target: Path, slot: Slot) -> None:
    wanted = {path.relative_to(source): path for path in source.rglob("*") if path.is_file()}
    for name, path in wanted.items():
        memory.write(target / name, translate(path.read_text(encoding="utf-8"), slot))
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()


def _source(name: str) -> Path:
    return content_root() / "inventories" / name
