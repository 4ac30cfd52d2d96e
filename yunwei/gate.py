"""The gate: what may start, on which systems, under which locks, and the unit of work that goes with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from yunwei import locks, permits, work
from yunwei.errors import RefusedError, UsageError, VaultForbiddenError, VaultMissingSecretError, YunweiError
from yunwei.jobs import Job, JobClass, find_job
from yunwei.permits import require_issued
from yunwei.plans import Plan, demand_recorded, read_plan
from yunwei.policy import Policy, System
from yunwei.scan import choice
from yunwei.scan.store import Store
from yunwei.session import Session, current
from yunwei.vault_policies import secret_names
from yunwei.work.back_up import HostVariables, local_records, local_repository, tripwire_releases
from yunwei.work.shapes import SiteName
from yunwei.work.sites import miyun
from yunwei.work.times import utc

_SHORT_NAMES = {"drill": "drill-restore", "recover": "recover-system"}
_DEFAULT_SITE = {"drill-restore": "miyun", "list-heads": "miyun", "sync-to-miyun": "miyun"}


@dataclass(frozen=True)
class Request:
    """What the gate task asked for.

    `options` are the job's own: `site`; for restores the fields of `yunwei.work.RestoreOptions`; others are handed on.
    `scan_plan` is the file of a scan plan: then rules, and hosts and systems among those asked for, are those it names.
    `play` are the hosts of the play, `hosts` those of them that this batch is about. `plan` is the file of a stored
    plan: then systems, options and hosts are the plan's. `approval` is the file that approves it, by default beside it.
    """

    job: str
    systems: Sequence[str] = ()
    now: bool = False
    check: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    host_vars: HostVariables | None = None
    play: Sequence[str] = ()
    hosts: Sequence[str] = ()
    plan: Path | None = None
    approval: Path | None = None

    @property
    def name(self) -> str:
        """Return the job's full name."""
        return _SHORT_NAMES.get(self.job, self.job)

    @property
    def site(self) -> SiteName:
        """Return the site that the job works with."""
        return cast(SiteName, self.options.get("site") or _DEFAULT_SITE.get(self.name, "local"))


def require_session() -> Session:
    """Return the open session.

    Raises `RefusedError` where no callback opened one: no record, no run.
    """
    session = current()
    if session is None:
        raise RefusedError(
            "No record, no run: no evidence record was opened, because the callback yunwei_record did not run. "
            "Start the playbook from the project's own playbooks/ folder (its callback_plugins/ beside it) with the "
            "Python that yunwei is installed in; a play with yunwei_unrecorded may not have a gate."
        )
    return session


def open_gate(request: Request, session: Session) -> dict[str, Any]:
    """Return `permit` and `work` for a job, or refuse.

    In check mode no lock is taken. Locks taken before a refusal are given back.

    Raises:
        LockBusyError, RefusedError: policy or another run forbids it.
        UsageError: a name that does not exist.
        LedgerError, VaultError: as named.
    """
    session.require_open_record()
    job = find_job(request.name)
    plan = read_plan(request.plan) if request.plan else None
    if plan:
        request = _planned_request(request, job, plan)
        demand_recorded(plan, session.ledger.find_run(plan.run_id))
    request = _narrowed(request, plan, session)
    if request.site not in ("local", "miyun"):
        raise UsageError(f"site {request.site!r} is not known; allowed are local and miyun")
    systems = [system.id for system in session.policy.choose_systems(request.systems)]
    now = datetime.now(UTC)
    units = {system: build_work(request, session, system, now) for system in systems}
    if plan:  # ages count to the plan's moment; permissions are held against today
        units = {system: {**unit, "time": plan.time} if "time" in unit else unit for system, unit in units.items()}
    permit: dict[str, Any] = {
        "run_id": session.run_id,
        "job": job.name,
        "check": request.check,
        "site": request.site,
        "systems": systems,
        "hosts": list(request.hosts),
        "options": dict(request.options),
        "time": plan.time if plan else utc(now),
        "work": {system: permits.digest(unit) for system, unit in units.items()},
        "plan": {"sha256": plan.sha256, "hosts": plan.hosts} if plan else None,
        "approval": None,
        "expires": None,
        "locks": {},
        "lock_series": {},
    }
    if not request.check and job.job_class is not JobClass.READ_ONLY:
        wish = permits.Wish(job, systems, permit["hosts"], permit["options"], plan, request.plan, request.approval)
        permit.update(permits.demand_permission(wish, session, now))
        taken = _take_locks(session, job.name, systems)
        permit["locks"] = {system: held.number for system, held in taken.items()}
        permit["lock_series"] = {system: held.series for system, held in taken.items()}
    return {"permit": permit, "work": units}


def _planned_request(request: Request, job: Job, plan: Plan) -> Request:
    """Return the request as the plan says it; a request that is about something else is refused."""
    if plan.job != job.name:
        raise RefusedError(f"{request.plan} is a plan of {plan.job}, and this is {job.name}: start {plan.job} with it")
    if request.options.get("scan_plan"):
        raise UsageError(f"{request.plan} holds what it was made of: leave the scan plan, yunwei_scan_plan, out")
    if request.systems and set(request.systems) != set(plan.systems):
        raise RefusedError(
            f"{request.plan} is for {', '.join(plan.systems)}, and {', '.join(request.systems)} was asked for: a plan "
            f"is run whole; make one for the systems that you mean"
        )
    missing = sorted(set(plan.hosts) - set(request.play))
    if missing:
        raise RefusedError(
            f"{request.plan} also has {', '.join(missing)}, which this play leaves out: a plan is run whole, without "
            f"--limit; make one for the hosts that you mean"
        )
    hosts = [host for host in request.hosts if host in plan.hosts]
    return replace(request, systems=plan.systems, options={**request.options, **plan.options}, hosts=hosts)


def _narrowed(request: Request, plan: Plan | None, session: Session) -> Request:
    """Return the request for just what its scan plan chooses, which takes the place of the file's name in its options.

    Raises:
        RefusedError: the file was changed while the run was going on.
        UsageError: it is no plan to go by, or chooses nothing of what was asked for.
    """
    named = request.options.get("scan_plan")
    options = {name: value for name, value in request.options.items() if name != "scan_plan"}
    if not named:
        return replace(request, options=options)
    chosen = cast(choice.Choice, named)
    if plan is None:
        _demand_unchanged(Path(str(named)), session)
        chosen = choice.read_choice(Path(str(named)), session.policy, Store.default())
    asked = [system.id for system in session.policy.choose_systems(request.systems)]
    systems = [name for name in choice.systems_of(session.policy, chosen["hosts"]) if name in asked]
    served = {host for name in systems for host in session.policy.system(name).hosts}.intersection(chosen["hosts"])
    if served.isdisjoint(request.play):
        planned = ", ".join(chosen["hosts"])
        raise UsageError(f"the scan plan is for {planned}, and none was asked for: leave --system and --limit out")
    batch = [host for host in request.hosts if host in served]
    part = {**chosen, "hosts": {host: chosen["hosts"][host] for host in batch}}
    return replace(request, systems=systems, hosts=batch, options={**options, "scan_plan": part})


def _demand_unchanged(path: Path, session: Session) -> None:
    """Raise `RefusedError` where an earlier batch of this run went by another text of the file."""
    before = {permit["options"]["scan_plan"]["file_sha256"] for permit in session.permits}
    if before - {choice.digest_of(path)}:
        raise RefusedError(f"{path} was changed while this run was going on: look at what was done, and start anew")


def build_work(request: Request, session: Session, system: str, now: datetime) -> dict[str, Any]:
    """Return the unit of work of one system, as the job's modules take it."""
    policy = session.policy
    builders: dict[str, Callable[[], Mapping[str, Any]]] = {
        "prepare-hosts": lambda: work.prepare_work(policy, system),
        "set-timers": lambda: work.timers_work(policy, system),
        "back-up": lambda: work.back_up_work(policy, system, request.now, now, request.host_vars),
        "clean-logs": lambda: work.log_work(policy, system, now, request.host_vars),
        "fetch-logs": lambda: work.log_fetch_work(policy, system, request.options, accepted_manifests(session, system)),
        "inspect-databases": lambda: work.inspect_databases_work(policy, system),
        "maintain-databases": lambda: work.maintain_databases_work(policy, system, now),
        "purge-history": lambda: work.history_work(
            policy, system, request.options.get("rule") or None, now, request.host_vars
        ),
        "harden-servers": lambda: work.hardening_work(
            policy, system, request.options.get("accept_irreversible") or [], now, _chosen(request, policy, now)
        ),
        "undo": lambda: work.undo_work(policy, system, str(request.options.get("change") or "")),
        "list-locks": lambda: {"system": system},
        "restart-servers": lambda: work.restart_work(policy, system, bool(request.options.get("now")), now),
        "sync-to-miyun": lambda: work.sync_work(policy, system, session.ledger.head(), now),
        "retire-backups": lambda: _retire_work(request, policy, system, now),
        "drill-restore": lambda: work.drill_work(policy, system, _restore_options(request, session, system), now),
        "recover-system": lambda: work.recover_work(policy, system, _restore_options(request, session, system), now),
    }
    build = builders.get(request.name, lambda: _reading_work(request, policy, system, now))
    return dict(build())


def _chosen(request: Request, policy: Policy, now: datetime) -> work.Chosen | None:
    named = request.options.get("scan_plan")
    today = now.astimezone(policy.estate.zone).date()
    return choice.left_out(named["hosts"], Store.default(), today) if named else None


def _retire_work(request: Request, policy: Policy, system: str, now: datetime) -> Mapping[str, Any]:
    release = request.options.get("release")
    if release and list(request.systems) != [system]:
        raise UsageError("an early release is for one system: name it")
    return work.retire_work(policy, system, request.site, now, release)


def fetch_secrets(permit: Mapping[str, Any], session: Session) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the secrets of a permit: system, then name, then the secret's fields.

    Raises:
        RefusedError: the permit is not one that this run's gate issued.
        VaultForbiddenError, VaultMissingSecretError: naming every such path at once.
        VaultError: as named.
    """
    require_issued(permit, session)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    faults: list[YunweiError] = []
    for system in permit["systems"]:
        hosts = _source_hosts(session.policy.system(system), permit["job"])
        found[system] = {}
        for name in secret_names(permit["job"], hosts, permit["site"]):
            try:
                found[system][name] = session.vault.read(f"systems/{system}/{name}")
            except (VaultForbiddenError, VaultMissingSecretError) as error:
                faults.append(error)
    if faults:
        raise type(faults[0])("\n".join(str(fault) for fault in faults))
    return found


def _source_hosts(system: System, job: str) -> list[str]:
    """Return the hosts whose keys a job needs: those of the items, of the log rules, or of both."""
    items = {item.host for item in system.items()}
    if job == "clean-logs":
        return system.log_hosts
    if job == "purge-history":
        named = {rule.database for rule in system.history}
        return sorted({database.host for database in system.databases if database.name in named})
    return sorted(items | set(system.log_hosts)) if job == "prepare-hosts" else sorted(items)


def _take_locks(session: Session, job: str, systems: Sequence[str]) -> dict[str, locks.LockHeld]:
    starter = locks.Starter(session.run_id, job, session.vault.identity)
    lease = session.policy.estate.lock.lease_seconds
    taken: dict[str, locks.LockHeld] = {}
    try:
        for system in sorted(systems):  # in one order for all, so that two starters never hold half each for long
            _free_if_dead(session, system)
            taken[system] = locks.acquire(session.vault, system, starter, lease)
    except YunweiError:
        for system in taken:
            if not any(system in permit["locks"] for permit in session.permits):
                locks.release(session.vault, system, session.run_id)
        raise
    return taken


def _free_if_dead(session: Session, system: str) -> None:
    """Give back the lock of a run that this controller's ledger knows to have ended.

    A killed run leaves its lock. Its hosts may still be at work: the lock that each host takes guards against that.
    """
    holder = locks.holder(session.vault, system)
    if holder is None or holder.run_id == session.run_id:
        return
    record = session.ledger.find_run(holder.run_id)
    if record is not None and record["status"] != "open":
        locks.release(session.vault, system, holder.run_id)


def _restore_options(request: Request, session: Session, system: str) -> work.RestoreOptions:
    known = set(work.RestoreOptions.__dataclass_fields__)
    unknown = sorted(set(request.options) - known)
    if unknown:
        raise UsageError(f"unknown options of {request.name}: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    given = {name: value for name, value in request.options.items() if value not in (None, "")}
    if "accepted" not in given:
        given["accepted"] = accepted_manifests(session, system)
    given["verified"] = verified_copies(session, system, request.site)
    return work.RestoreOptions(**{"restore_id": session.run_id, "site": request.site, **given})


def accepted_manifests(session: Session, system: str) -> list[str]:
    """Return the SHA-256 of every manifest that this controller's ledger knows as accepted for a system."""
    found = {item.get("manifest_sha256") for _, item in _lines_told(session, system) if _is_accepted(item)}
    return sorted(digest for digest in found if digest)


def verified_copies(session: Session, system: str, site: str) -> list[str]:
    """Return the record ids of the copies at a site that this controller's ledger knows as verified.

    A local one was read back before it was accepted; another site's was named by that site's signed receipt.
    """
    found = set()
    for summary, line in _lines_told(session, system):
        if _is_accepted(line) if site == "local" else summary.get("site") == site and line.get("verified_at"):
            found.add(line.get("record"))
    return sorted(record for record in found if record)


def _lines_told(session: Session, system: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield every summary of a system that is in the ledger, with each of its lines about an item."""
    for entry in session.ledger.entries():
        if entry.kind != "run-end" or entry.body.get("check"):
            continue
        for task in entry.body.get("tasks", []):
            summary = task.get("yunwei")
            if isinstance(summary, dict) and summary.get("system") == system:
                yield from ((summary, line) for line in summary.get("items", []) if isinstance(line, dict))


def _is_accepted(item: Mapping[str, Any]) -> bool:
    """Tell whether a line of a backup's result names an accepted manifest.

    A backup that is not due names the one that makes it so: the run that made that one may have lost its controller
    before it could say so.
    """
    return item.get("status") in ("accepted", "accepted, suspicious", "not due")


def _reading_work(request: Request, policy: Policy, system_id: str, now: datetime) -> dict[str, Any]:
    """Return the work of jobs that only read a site's repository and records."""
    system = policy.system(system_id)
    remote = None
    if request.site == "miyun":
        remote = miyun(policy, system, policy.estate.sites.miyun.read_user, "miyun-read")
    return {
        **{name: value for name, value in request.options.items() if name != "site"},
        "system": system.id,
        "site": request.site,
        "repository": local_repository(policy, system),
        "records": local_records(policy, system),
        "items": [item.id for item in system.items()],
        "remote": remote,
        "tripwire_releases": tripwire_releases(system),
        "time": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
