"""Vault policies of least privilege: one for each job and system, rendered from the templates beside this file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from yunwei.errors import UsageError

_HERE = Path(__file__).resolve().parent
_SUFFIX = ".hcl.j2"

JOBS: tuple[str, ...] = tuple(sorted(p.name.removesuffix(_SUFFIX) for p in _HERE.glob("[a-z]*" + _SUFFIX)))

# Jobs of the wrapper whose identity is that of another job.
SAME_IDENTITY: Mapping[str, str] = {
    "drill-restore": "drill",
    "recover-system": "recover",
    "fetch-logs": "recover",
    "list-backups": "verify-backups",
    "list-heads": "verify-backups",
    "list-locks": "release-locks",
    "inspect-backup-sites": "inspect",
    "undo": "harden-servers",
}
_FROM_SITE: Mapping[str, tuple[str, ...]] = {
    "local": ("repository-local", "local-read"),
    "miyun": ("repository-miyun", "miyun-read"),
}

# A name is part of a path with globs: "*", "+" and "/" in it would widen the policy.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")


def policy_name(job: str, system: str) -> str:
    """Return the name under which Vault keeps the policy, which is also the name of the timer's AppRole."""
    return f"{_checked('job', SAME_IDENTITY.get(job, job))}-{_checked('system', system)}"


def secret_names(job: str, source_hosts: Sequence[str], site: str) -> list[str]:
    """Return the secrets below `systems/<system>/` that one run fetches: no more than its job and site need.

    Args:
        job: a job of the wrapper or a name of `JOBS`.
        source_hosts: the hosts that the system's items are pulled from.
        site: `local` or `miyun`, where a drill, recovery or verification reads.
    """
    sources = [f"source-{host}" for host in source_hosts]
    needs = {
        "prepare-hosts": ["local-read", *sources],
        "back-up": ["repository-local", *sources],
        "clean-logs": ["repository-local", *sources],
        "purge-history": ["repository-local", *sources],
        "sync-to-miyun": ["repository-local", "repository-miyun", "miyun-append"],
        "retire-backups": ["repository-local"],
        "release-locks": [],
        "set-timers": [],
        "inspect-databases": [],
        "maintain-databases": [],
        "harden-servers": ["login-probe"],
        "restart-servers": [],
        "inspect": ["local-read" if site == "local" else "miyun-read"],
    }
    return needs.get(SAME_IDENTITY.get(job, job), list(_FROM_SITE[site]))


def render(job: str, system: str, *, mount: str = "yunwei", transit_key: str = "ledger") -> str:
    """Return the policy (HCL) that lets one job work for one system and read nothing of another.

    Args:
        job: one of `JOBS`.
        system: the system's id, as in the inventory's policy.
        mount: the KV v2 mount that holds the secrets and locks.
        transit_key: the key in mount `transit` that signs the ledger.

    Raises:
        UsageError: the job has no template, or a name could widen the policy.
    """
    job = SAME_IDENTITY.get(job, job)
    if job not in JOBS:
        raise UsageError(f"job {job!r} has no Vault policy; known are {', '.join(JOBS)}: name one of them")
    names = {
        "system": _checked("system", system),
        "mount": _checked("mount", mount),
        "transit_key": _checked("transit key", transit_key),
    }
    return _environment().get_template(job + _SUFFIX).render(job=job, **names)


def identity_policies(
    jobs: Iterable[str], systems: Iterable[str], *, mount: str = "yunwei", transit_key: str = "ledger"
) -> dict[str, str]:
    """Return policy name → HCL for an identity that may run these jobs for these systems."""
    wanted = list(systems)
    return {
        policy_name(job, system): render(job, system, mount=mount, transit_key=transit_key)
        for job in jobs
        for system in wanted
    }


def _environment() -> Environment:
    # HCL is no HTML; _checked() admits no character that could end a string.
    return Environment(loader=FileSystemLoader(_HERE), undefined=StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701


def _checked(kind: str, name: str) -> str:
    if not _NAME.match(name):
        raise UsageError(f"{kind} {name!r} cannot stand in a Vault path; allowed are a-z, 0-9, '-' and '_': rename it")
    return name
