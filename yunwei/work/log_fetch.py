"""Work of job `fetch-logs`: which archived files of a host are brought back, from which site, into which folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypedDict

from yunwei.errors import UsageError
from yunwei.policy import Policy
from yunwei.work.restore import remote_of
from yunwei.work.shapes import RemoteWork, SiteName
from yunwei.work.times import utc

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OPTIONS = ("from", "host", "into", "path", "site", "to")


class LogFetchWork(TypedDict):
    """Module `log_fetch`, on the controller: archived log files that come back."""

    system: str
    site: SiteName
    remote: RemoteWork
    host: str
    """Whose log files they were: archives of the item `logs:<host>`."""
    path: str
    """A glob over absolute paths on that host; a folder takes what is below it, too."""
    since: str
    """The first moment of a file's last change that is wanted."""
    until: str
    """The first moment that is not wanted any more."""
    into: str
    """Absolute path of the folder on the controller."""
    accepted: list[str]
    """SHA-256 of the manifests that the ledger knows as accepted; empty where it knows none at all."""


def log_fetch_work(policy: Policy, system_id: str, options: Mapping[str, Any], accepted: Sequence[str]) -> LogFetchWork:
    """Return what is brought back for one system.

    Args:
        policy: whose sites they are.
        system_id: the system.
        options: `host`, `path`, `from` and `to` (days of policy's time zone), `into`, and `site`.
        accepted: the SHA-256 of every manifest that the ledger knows; empty where it knows none.

    Raises `UsageError` naming the option that is wrong, or the site that cannot be read from here.
    """
    given = {name: str(options.get(name) or "") for name in _OPTIONS}
    unknown = sorted(set(options) - set(_OPTIONS))
    missing = sorted(name for name, value in given.items() if not value)
    if unknown or missing:
        raise UsageError(f"fetch-logs takes {', '.join(_OPTIONS)}; missing: {missing}, unknown: {unknown}")
    first, last = _day("from", given["from"]), _day("to", given["to"])
    if first > last:
        raise UsageError(f"from {first} to {last}: the first day is after the last one; exchange them")
    for name in ("path", "into"):
        if not Path(given[name]).is_absolute() or ".." in Path(given[name]).parts:
            raise UsageError(f"{name} is {given[name]!r}; allowed are absolute paths without ..")
    if not _HOST.fullmatch(given["host"]):
        raise UsageError(f"host is {given['host']!r}; it must be a host's name in the inventory")
    site: SiteName = "miyun" if given["site"] == "miyun" else "local"
    remote = remote_of(policy, policy.system(system_id), site)
    if remote is None:
        raise UsageError("policy names no account that reads the local site: set sites.local.read_user in estate.yml")
    zone = policy.estate.zone
    return {
        "system": system_id,
        "site": site,
        "remote": remote,
        "host": given["host"],
        "path": given["path"],
        "since": utc(datetime.combine(first, time(), zone)),
        "until": utc(datetime.combine(last + timedelta(days=1), time(), zone)),
        "into": given["into"],
        "accepted": list(accepted),
    }


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{name} is {text!r}; write a day, such as 2026-03-31") from None
