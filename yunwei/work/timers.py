"""Work of job `set-timers`: the timers that one system has on the controller."""

from __future__ import annotations

from typing import TypedDict

from yunwei.errors import UsageError
from yunwei.policy import Policy, System
from yunwei.policy.schedule import Schedule
from yunwei.policy.timers import TIMED_JOBS, Timers
from yunwei.vault_policies import policy_name
from yunwei.work.watch import WatchRules, watch_rules

_TELLER = "/usr/libexec/yunwei-tell/yunwei_tell.py"


class Moment(TypedDict):
    """A recurring moment, as the policy's schedules name it."""

    every: str
    day: str | int | None
    at: str


class Timer(TypedDict):
    """One timer, as `module_utils/yunwei_timers/units.py` takes it."""

    name: str
    description: str
    command: list[str]
    user: str
    environment: dict[str, str]
    moments: list[Moment]
    spread_seconds: int
    confine: None


class TimersWork(TypedDict):
    """Role `job_schedule`: what one system adds to the controller's set of timers."""

    system: str
    timezone: str
    user: str
    command: str
    state: str
    logins: str
    alerts: WatchRules | None
    """Who is told of a run that did not end well, and how; nobody where policy has no `alerts`."""
    timers: list[Timer]


def timers_work(policy: Policy, system_id: str) -> TimersWork:
    """Return the timers of one system, none where it has nothing to back up.

    Raises `UsageError` for an unknown system or where policy has no timers.
    """
    system, timers = policy.system(system_id), settings(policy)
    return {
        "system": system.id,
        "timezone": policy.estate.timezone,
        **{name: getattr(timers, name) for name in ("user", "command", "state", "logins")},  # type: ignore[typeddict-item]
        "alerts": watch_rules(policy) if policy.estate.alerts else None,
        "timers": [_timer(policy, timers, system, job, moments) for job, moments in scheduled(policy, system).items()],
    }


def settings(policy: Policy) -> Timers:
    """Return the policy's timers.

    Raises `UsageError` where there are none.
    """
    if policy.estate.timers is None:
        raise UsageError("policy/estate.yml has no `timers`, so no job runs by itself; see docs/timers.md")
    return policy.estate.timers


def scheduled(policy: Policy, system: System) -> dict[str, list[Schedule]]:
    """Return every job that a timer runs for a system, with its schedules, each once."""
    items = list(dict.fromkeys(item.schedule for item in system.items()))
    return {"back-up": items, **{job: [moment] for job, moment in settings(policy).jobs.items()}} if items else {}


def login_name(job: str, system: str) -> str:
    """Return the AppRole that a timer logs in with: it may do this job for this system and nothing else."""
    return policy_name(job, system)


def _timer(policy: Policy, timers: Timers, system: System, job: str, moments: list[Schedule]) -> Timer:
    command = [timers.command, *TIMED_JOBS[job], "--system", system.id, "--inventory", timers.inventory]
    if policy.estate.alerts:
        command = [_TELLER, "run", job, system.id, *command, "--json"]
    return {
        "name": f"{job}-{system.id}",
        "description": f"yunwei: {job} of system {system.id}",
        "command": command,
        "user": timers.user,
        "environment": {
            "YUNWEI_LOGIN_FILE": f"{timers.logins}/{login_name(job, system.id)}.json",
            "YUNWEI_STATE": timers.state,
        },
        "moments": [{"every": one.every, "day": one.day, "at": one.at} for one in moments],
        "spread_seconds": timers.spread_minutes * 60,
        "confine": None,
    }
