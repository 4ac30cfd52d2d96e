"""Visits a site for one system: by the account that only reads there, with the key that Vault holds for it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from yunwei import remote
from yunwei.errors import CouldNotJudgeError, UsageError, VaultForbiddenError
from yunwei.inspection.facts import MOST_BYTES, Facts, read_facts
from yunwei.policy import Policy
from yunwei.vault import VaultClient
from yunwei.vault_policies import secret_names
from yunwei.work.pins import pinned_keys
from yunwei.work.shapes import SiteName

JOB = "inspect-backup-sites"
WORDS = "inspect"
# The site adds up the sizes of every file of a repository.
_MOST_SECONDS = 600


@dataclass(frozen=True)
class Clock:
    """How far the site's clock is ahead of the controller's, at least and at most."""

    least: float
    most: float


@dataclass(frozen=True)
class Visit:
    """What came of a visit: `facts` and `clock`, or the `fault` that stood in the way.

    `key_made` is when Vault was given the key that was used, `public_key` its public half.
    """

    site: SiteName
    system: str
    facts: Facts | None = None
    clock: Clock | None = None
    fault: str = ""
    key_made: datetime | None = None
    public_key: str = ""

    @property
    def place(self) -> str:
        """Return `<site>/<system>`."""
        return f"{self.site}/{self.system}"


def visit_all(policy: Policy, vault: VaultClient, sites: Iterable[SiteName], systems: Iterable[str]) -> list[Visit]:
    """Return one visit for each site and system, in that order.

    Raises `VaultError` where Vault itself fails; a key that it does not hold or give is a fault of that visit.
    """
    wanted = list(systems)
    return [_visit(policy, vault, site, system) for site in sites for system in wanted]


def _visit(policy: Policy, vault: VaultClient, site: SiteName, system: str) -> Visit:
    [name] = secret_names(JOB, (), site)
    path = f"systems/{system}/{name}"
    try:
        secret = vault.cas_read(path)
    except VaultForbiddenError as error:
        return Visit(site, system, fault=str(error))
    private, public = ((secret.data or {}).get(half) for half in ("private_key", "public_key"))
    if not private or not public:
        return Visit(site, system, fault=f"Vault holds no key pair at {path}: store private_key and public_key there")
    made = secret.created
    try:
        facts, clock = _ask(_endpoint(policy, site, private), system)
    except (CouldNotJudgeError, UsageError) as error:
        return Visit(site, system, fault=str(error), key_made=made, public_key=public)
    return Visit(site, system, facts, clock, key_made=made, public_key=public)


def _endpoint(policy: Policy, site: SiteName, private_key: str) -> remote.Endpoint:
    if site == "miyun":
        miyun = policy.estate.sites.miyun
        address, port, user = miyun.address, miyun.port, miyun.read_user
    else:
        local = policy.estate.sites.local
        host = policy.host(local.backup_server)
        if local.read_user is None:
            raise UsageError("policy names no account that reads the local site: set sites.local.read_user")
        address, port, user = host.address, host.port, local.read_user
    pins = pinned_keys(Path(policy.estate.known_hosts_file), [(address, port)])
    return remote.Endpoint(address, user, private_key, pins, port)


def _ask(endpoint: remote.Endpoint, system: str) -> tuple[Facts, Clock]:
    with remote.connect(endpoint) as connection:
        before = time.time()
        answer = remote.ask(connection, WORDS, MOST_BYTES, _MOST_SECONDS)
        after = time.time()
    facts = read_facts(answer, system)
    return facts, Clock(facts["ended"] - after, facts["began"] - before)
