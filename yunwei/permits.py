"""Permits: what must be true before the gate issues one, and before each module that acts on the strength of one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from yunwei import approvals, openings
from yunwei.approvals import Approval
from yunwei.calendar import Calendar
from yunwei.errors import NotAsPlannedError, RefusedError
from yunwei.jobs import Job, JobClass
from yunwei.ledger.chain import canonical
from yunwei.plans import Plan
from yunwei.policy import Policy
from yunwei.session import Session
from yunwei.work.restarts import serving
from yunwei.work.times import utc


@dataclass(frozen=True)
class Wish:
    """What is to be permitted: the job on these systems and hosts, by a stored plan (and its file) where there is one.

    `approval` is the file that approves the plan, None for the one beside it.
    """

    job: Job
    systems: Sequence[str]
    hosts: Sequence[str]
    options: Mapping[str, Any]
    plan: Plan | None = None
    file: Path | None = None
    approval: Path | None = None


def demand_permission(wish: Wish, session: Session, now: datetime) -> dict[str, Any]:
    """Return what a permit says of `approval` and `expires`.

    Raises `RefusedError` where an approval is missing or not valid, or the calendar is closed.
    """
    marked = _marked(wish, session.policy)
    approval = _approval(wish, session, marked, now) if marked or wish.options.get("release") else None
    said = _bounds(wish.job, approval, session.policy.estate.lock.lease_seconds, now)
    if wish.job.job_class.asks_calendar and not wish.job.batches and not passes_calendar(said):
        _ask_calendar(wish, session, now)
    if approval:
        approvals.spend(session, approval, wish.systems)
    return said


def passes_calendar(permit: Mapping[str, Any]) -> bool:
    """Tell whether a permit is for an emergency that was approved: then the calendar does not hold the work up."""
    return bool((permit.get("approval") or {}).get("emergency"))


def require_issued(permit: Mapping[str, Any], session: Session) -> None:
    """Raise `RefusedError` unless this run's gate issued the permit, as it is."""
    if not any(dict(permit) == known for known in session.permits):
        raise RefusedError(
            f"this permit was not issued by the gate of run {session.run_id}: "
            f"put yunwei_gate before this task in the same play and hand its permit on unchanged"
        )


def require_current(permit: Mapping[str, Any]) -> None:
    """Raise `RefusedError` where a permit is over, by the controller's clock."""
    if permit["expires"] and datetime.now(UTC) >= datetime.fromisoformat(permit["expires"]):
        raise RefusedError(f"the permit of run {permit['run_id']} was valid until {permit['expires']}: start anew")


def require_permitted(args: Mapping[str, Any], host: str, session: Session) -> None:
    """Raise `RefusedError` unless an acting module may act: asked on the controller before every call of one.

    Args:
        args: what the module is called with: `permit`, which must be one of this run, not over, and for the host;
            `work`, which must be the gate's, unchanged.
        host: the inventory's name of the host that the task is for.
        session: the open run.
    """
    require_handed_on(args, host, session)
    require_current(args["permit"])


def require_handed_on(args: Mapping[str, Any], host: str, session: Session) -> None:
    """Raise `RefusedError` unless permit and work are the gate's for the host, however long ago they were issued.

    By itself it is for what must not be left undone because the run took long, such as a proof.
    """
    permit, unit = args.get("permit"), args.get("work")
    if not isinstance(permit, Mapping) or not isinstance(unit, Mapping):
        raise RefusedError("no permit or no work: start this through its playbook, whose gate issues both")
    require_issued(permit, session)
    if host not in permit["hosts"]:
        raise RefusedError(f"the permit of run {session.run_id} is not for {host}: start its playbook for this host")
    require_work(permit, unit, session)


def require_work(permit: Mapping[str, Any], unit: Mapping[str, Any], session: Session) -> None:
    """Raise `RefusedError` unless a unit of work is what the gate gave out with the permit for its system."""
    if permit["work"].get(unit.get("system")) != digest(unit):
        raise RefusedError(
            f"this work for system {unit.get('system')} is not what the gate of run {session.run_id} gave out: "
            f"hand it on whole"
        )


def require_all_as_planned(
    permit: Mapping[str, Any], play: Sequence[str], alive: Sequence[str], session: Session
) -> None:
    """Raise `NotAsPlannedError` where a host has fallen out of a planned run: then nothing of the plan is done.

    Args:
        permit: as the gate issued it; without a stored plan each host is on its own.
        play: all hosts of the play: one that the plan does not have, but policy by now does, has fallen out as well.
        alive: those that have not failed.
        session: the open run.
    """
    require_issued(permit, session)
    require_current(permit)
    plan = permit["plan"]
    if plan:
        _demand_no_other(plan, sorted({*plan["hosts"], *play} - set(alive)), "not as planned, or out of reach")


def require_as_planned(permit: Mapping[str, Any], found: Mapping[str, Mapping[str, str]]) -> None:
    """Raise `NotAsPlannedError` unless a stored plan has exactly these digests, `found` by host and system."""
    plan = permit["plan"]
    if plan:
        hosts = plan["hosts"]
        other = sorted(host for host in {*hosts, *found} if hosts.get(host) != found.get(host))
        _demand_no_other(plan, other, "not as planned")


def _demand_no_other(plan: Mapping[str, Any], hosts: list[str], why: str) -> None:
    if hosts:
        raise NotAsPlannedError(
            f"{', '.join(hosts)}: {why}, so nothing of plan {plan['sha256'][:16]}… is done on any host. "
            f"Make a new plan",
            hosts,
        )


def require_all_looked(permit: Mapping[str, Any], action: str, session: Session) -> None:
    """Raise `RefusedError` unless, in this run, every host of a stored plan came to what the plan says.

    Args:
        permit: as the gate issued it; without a stored plan each host is on its own.
        action: the module whose answers tell what would be done.
        session: the open run.
    """
    plan = permit["plan"]
    said = {
        (one.host, one.summary.get("system"), (one.summary.get("plan") or {}).get("digest"))
        for one in session.recorder.answers
        if one.action == action and one.status in ("ok", "changed")
    }
    planned = {(host, *one) for host, systems in plan["hosts"].items() for one in systems.items()} if plan else set()
    lost = sorted({host for host, *_ in planned - said})
    if lost:
        raise RefusedError(
            f"{', '.join(lost)}: not found as plan {plan['sha256'][:16]}… says, so nothing of it is done on any host. "
            f"Start the job through its playbook, which looks at every host first; or make a new plan"
        )


def digest(unit: Mapping[str, Any]) -> str:
    """Return the digest by which a permit knows a unit of work."""
    return hashlib.sha256(canonical(dict(unit)).encode("ascii")).hexdigest()


def _marked(wish: Wish, policy: Policy) -> list[str]:
    """Return the systems whose policy wants an approval of this job.

    Disruptive work concerns, as in the calendar, all systems of its hosts, also those that were not asked for. Work in
    batches leaves a host alone whose systems were not all asked for.
    """
    concerned = [policy.system(name) for name in wish.systems]
    if wish.job.job_class.asks_calendar and not wish.job.batches:
        hosts = {host for system in concerned for host in system.hosts}.intersection(wish.hosts)
        concerned += [system for host in hosts for system in serving(policy, host)]
    return sorted({system.id for system in concerned if system.wants_approval(wish.job)})


def _approval(wish: Wish, session: Session, marked: Sequence[str], now: datetime) -> Approval:
    if wish.plan is None or wish.file is None:
        raise RefusedError(
            f"{wish.job.name} on {', '.join(marked or wish.systems)} needs a plan that a second person has approved: "
            f"yunwei plan {wish.job.name} -o FILE, yunwei approve FILE, yunwei run {wish.job.name} --plan FILE"
        )
    path = wish.approval or approvals.default_path(wish.file)
    return approvals.demand_approval(session, wish.plan, path, now, marked)


def _ask_calendar(wish: Wish, session: Session, now: datetime) -> None:
    plan = Calendar(session.policy)
    scopes = [plan.scope(None, host) for host in wish.hosts] or [plan.scope(system) for system in wish.systems]
    duration = openings.expected_duration(session.ledger, wish.job.name, wish.systems)
    openings.demand_opening(plan, scopes, now, duration)


def _bounds(job: Job, approval: Approval | None, lease_seconds: int, now: datetime) -> dict[str, Any]:
    """Return approval and expiry of a permit: what is disruptive or approved is permitted for one lease at most."""
    if approval is None and job.job_class is not JobClass.DISRUPTIVE:
        return {}
    end = now + timedelta(seconds=lease_seconds)
    said = {"id": approval.id, "by": approval.approver, "emergency": approval.emergency} if approval else None
    return {"approval": said, "expires": utc(min(end, approval.expiry) if approval else end)}
