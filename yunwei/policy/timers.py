"""Which jobs run by themselves, and when: the part `timers` of `policy/estate.yml`.

`back-up` is not named here: it runs at the moments that the items' own schedules name.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from yunwei.policy.base import AbsolutePath, Model, Name, refuse
from yunwei.policy.schedule import Schedule
from yunwei.policy.suggest import did_you_mean

# Jobs that a timer may start, with the words that start them for one system.
TIMED_JOBS: dict[str, tuple[str, ...]] = {
    "back-up": ("run", "back-up"),
    "sync-to-miyun": ("run", "sync-to-miyun"),
    "retire-backups": ("run", "retire-backups"),
    "verify-backups": ("backups", "verify"),
    "inspect-backup-sites": ("inspect", "backup-sites"),
}
_FREE = tuple(name for name in TIMED_JOBS if name != "back-up")


def _known(jobs: dict[str, Schedule]) -> dict[str, Schedule]:
    for name in jobs:
        if name not in _FREE:
            raise refuse(repr(name), ", ".join(_FREE), did_you_mean(name, _FREE))
    if "sync-to-miyun" not in jobs:
        raise refuse("no sync-to-miyun", "a schedule for sync-to-miyun: else no copy leaves the site")
    return jobs


def _in_memory(path: str) -> str:
    if not path.startswith(("/run/", "/dev/shm/")):  # noqa: S108 - the folder must be memory
        raise refuse(repr(path), "a folder below /run or /dev/shm: a login may not lie on a disk")
    return path


class Timers(Model):
    """The timers of the hosts in group `controllers`."""

    user: Name = Field(description="the account on the controller that the jobs run as")
    command: AbsolutePath = Field(description="the program `yunwei` on the controller")
    inventory: AbsolutePath = Field(description="this inventory's folder on the controller")
    state: AbsolutePath = Field(description="the folder of ledger and runs on the controller")
    logins: Annotated[AbsolutePath, AfterValidator(_in_memory)] = Field(
        description="the folder on tmpfs that holds a login for each timer"
    )
    spread_minutes: int = Field(
        default=0, ge=0, le=120, description="0 to 120 minutes over which timers of one moment are spread"
    )
    jobs: Annotated[dict[str, Schedule], AfterValidator(_known)] = Field(
        description="jobs with their schedules: " + ", ".join(_FREE)
    )
