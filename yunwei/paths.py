"""Where things are: the content that Ansible reads and the state that yunwei writes."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def content_root() -> Path:
    """Return the folder with `playbooks/`, `roles/`, `library/`: the checkout, or the content inside a wheel."""
    installed = _PACKAGE / "content"
    return installed if installed.is_dir() else _PACKAGE.parent


def state_dir() -> Path:
    """Return the folder of ledger, run artifacts and lab state: `$YUNWEI_STATE` or the XDG state folder."""
    chosen = os.environ.get("YUNWEI_STATE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "yunwei"


def default_inventory() -> Path:
    """Return `$YUNWEI_INVENTORY` or the lab's inventory folder."""
    chosen = os.environ.get("YUNWEI_INVENTORY")
    return Path(chosen).absolute() if chosen else content_root() / "inventories" / "lab"
