"""The lab as data: slots, networks, hosts, addresses and the systems that live on them. Nothing here acts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from yunwei.errors import UsageError
from yunwei.paths import state_dir

OPS_USER = "ops"
MIYUN_ADMIN_USER = "miyunadmin"
DEFAULT_SLOT = "demo"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the secrets' folder must be memory; keys.py refuses anything else


@dataclass(frozen=True)
class Network:
    """A podman network: two isolated ones cannot reach each other, all others can."""

    name: str
    subnet: str
    isolated: bool


@dataclass(frozen=True)
class Host:
    """One lab host: its container, and the one account that may log in with sudo."""

    name: str
    slot: str
    network: str
    address: str
    image: str
    admin: str

    @property
    def container(self) -> str:
        """Name of the host's container."""
        return f"yunwei-{self.slot}-{self.name}"

    @property
    def hardware_address(self) -> str:
        """The host's own MAC: one drawn anew at each start would be learnt by others only after 8 s of silence."""
        return "02:00:" + ":".join(f"{part:02x}" for part in ipaddress.IPv4Address(self.address).packed)

    @property
    def python(self) -> str:
        """Path of the only Python that the host has."""
        return "/usr/bin/python2.7" if self.image == "bullseye" else "/usr/bin/python3"


# A slot's subnets: documentation addresses (RFC 5737), without 192.0.2.0/24, which some machines use for themselves.
_SUBNETS = {
    "demo": {
        "site": "198.51.100.64/27",
        "backup": "198.51.100.0/27",
        "miyun": "198.51.100.128/27",
        "scratch": "203.0.113.0/26",
    },
    "check": {
        "site": "198.51.100.96/27",
        "backup": "198.51.100.32/27",
        "miyun": "198.51.100.160/27",
        "scratch": "203.0.113.128/26",
    },
}
_ISOLATED = {"site", "scratch"}
# name: network, number within the subnet, image, administrator
_HOSTS = {
    "app1": ("site", 11, "debian12", OPS_USER),
    "db1": ("site", 12, "debian12", OPS_USER),
    "legacy1": ("site", 13, "bullseye", OPS_USER),
    "backup1": ("backup", 11, "debian12", OPS_USER),
    "miyun1": ("miyun", 11, "debian12", MIYUN_ADMIN_USER),
    "scratch1": ("scratch", 11, "debian12", OPS_USER),
}
_VAULT_PORTS = {"demo": 18200, "check": 18210}

# Which source hosts each system of the lab's policy has: a drift test holds it equal to inventories/lab/policy.
SYSTEMS = {"mediation": ("app1", "db1"), "legalservice": ("db1", "legacy1")}

SLOTS = tuple(_SUBNETS)
HOST_NAMES = tuple(_HOSTS)


@dataclass(frozen=True)
class Slot:
    """One complete lab; several can stand side by side on a machine."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in _SUBNETS:
            raise UsageError(
                f"There is no lab slot '{self.name}'. Allowed: {', '.join(SLOTS)}. Set YUNWEI_LAB_SLOT to one of them."
            )

    @property
    def prefix(self) -> str:
        """What the name of every container and network of this slot begins with."""
        return f"yunwei-{self.name}-"

    @property
    def networks(self) -> list[Network]:
        """The slot's networks, in the order they are made."""
        subnets = _SUBNETS[self.name]
        return [Network(self.prefix + name, subnet, name in _ISOLATED) for name, subnet in subnets.items()]

    @property
    def hosts(self) -> list[Host]:
        """The slot's hosts, in the order they are shown."""
        return [self.host(name) for name in _HOSTS]

    def host(self, name: str) -> Host:
        """Return the host `name`; UsageError when the lab has none of that name."""
        if name not in _HOSTS:
            raise UsageError(f"The lab has no host '{name}'. Allowed: {', '.join(HOST_NAMES)}.")
        network, number, image, admin = _HOSTS[name]
        subnet = ipaddress.ip_network(_SUBNETS[self.name][network])
        return Host(name, self.name, self.prefix + network, str(subnet[number]), image, admin)

    @property
    def vault_port(self) -> int:
        """Port of the slot's Vault on 127.0.0.1; the next one is its cluster port."""
        return _VAULT_PORTS[self.name]

    @property
    def vault_address(self) -> str:
        """URL of the slot's Vault."""
        return f"https://127.0.0.1:{self.vault_port}"

    @property
    def secrets_dir(self) -> Path:
        """Folder in memory for keys, logins and the unseal key."""
        return _SHARED_MEMORY / f"yunwei-lab-{self.name}"

    @property
    def state_dir(self) -> Path:
        """Folder on disk for Vault's storage, its audit log and marks."""
        return state_dir() / "lab" / self.name
