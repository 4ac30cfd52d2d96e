"""The database engines that policy may name, and those that a driver exists for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EngineName = Literal["postgresql", "kingbase", "dameng", "oracle"]


@dataclass(frozen=True)
class Engine:
    """What policy leaves out because the engine decides it."""

    port: int
    os_user: str
    """The account on the host that owns the server and its clients."""
    driver: bool
    """True when backup, restore and verification are built."""
    unit: str | None = None
    """What the names of its services begin with, where a restore needs them to run."""


ENGINES: dict[EngineName, Engine] = {
    "postgresql": Engine(port=5432, os_user="postgres", driver=True, unit="postgresql"),
    "kingbase": Engine(port=54321, os_user="kingbase", driver=False),
    "dameng": Engine(port=5236, os_user="dmdba", driver=False),
    "oracle": Engine(port=1521, os_user="oracle", driver=False),
}


def supported_engines() -> list[str]:
    """Return the engines whose databases can be backed up and drilled."""
    return [name for name, engine in ENGINES.items() if engine.driver]


def no_driver(engine: EngineName | None) -> str | None:
    """Return why an item on this engine cannot be judged, or None where it can (also for files, engine None)."""
    if engine is None or ENGINES[engine].driver:
        return None
    return f"could not judge: no driver for {engine}"
