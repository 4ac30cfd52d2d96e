"""The jobs: what each is for, which playbook runs it, which proofs follow it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from yunwei.errors import UsageError
from yunwei.paths import content_root


class JobClass(StrEnum):
    """What a job does to those who use the systems, and so which rules it must obey."""

    READ_ONLY = "read-only"
    """Changes nothing: runs at any time, beside any other job, without a lock."""
    ROUTINE = "routine"
    """Daily care that nobody notices, such as a backup: runs at any time."""
    DISRUPTIVE = "disruptive"
    """Interrupts or alters a service: begins only when the calendar has room for all of it."""
    EMERGENCY = "emergency"
    """Brings back what was lost: no calendar holds it up."""

    @property
    def asks_calendar(self) -> bool:
        """Tell whether work of this class may begin only inside an opening of the calendar."""
        return self is JobClass.DISRUPTIVE


@dataclass(frozen=True)
class Proof:
    """A role's testinfra file and the inventory group it is run against.

    `sources_only`: of the group, only hosts that something of the run's systems is pulled from.
    """

    role: str
    group: str
    sources_only: bool = False


@dataclass(frozen=True)
class Job:
    """One job: `a-b` is `playbooks/a_b.yml`; `launch` says whether `yunwei run` starts it itself.

    `planned`: its modules give a digest of what they would do on each host, so its plan can be stored and approved.
    `batches`: it works in batches and asks the calendar before each; for other disruptive jobs the gate asks once.
    """

    name: str
    job_class: JobClass
    summary: str
    proofs: tuple[Proof, ...] = ()
    launch: bool = True
    planned: bool = False
    batches: bool = False

    @property
    def playbook(self) -> Path:
        """Return the job's playbook."""
        return content_root() / "playbooks" / f"{self.name.replace('-', '_')}.yml"


_JOBS = (
    Job(
        "prepare-hosts",
        JobClass.ROUTINE,
        "Set source hosts and backup servers up for backups, after a change of policy or for a new host",
        (Proof("backup_source", "sources", sources_only=True), Proof("backup_server", "backup_servers")),
    ),
    Job(
        "set-timers",
        JobClass.ROUTINE,
        "Install the timers of the schedule on the controllers, and repair those that were changed",
        (Proof("job_schedule", "controllers"),),
    ),
    Job(
        "back-up",
        JobClass.ROUTINE,
        "Pull databases and files from their hosts into the local repositories and accept what was proven",
        (Proof("backup_source", "sources", sources_only=True), Proof("backup_pull", "backup_servers")),
    ),
    Job(
        "sync-to-miyun",
        JobClass.ROUTINE,
        "Copy accepted backups to the second site and fetch its signed receipt",
        (Proof("miyun_sync", "backup_servers"),),
    ),
    Job(
        "retire-backups",
        JobClass.ROUTINE,
        "Retire local backups that policy no longer keeps",
        (Proof("backup_retention", "backup_servers"),),
        planned=True,
    ),
    Job(
        "clean-logs",
        JobClass.ROUTINE,
        "Archive old log files in the system's repository and, once they were read back, remove them from their hosts",
        (Proof("log_cleanup", "sources"),),
        planned=True,
    ),
    Job("fetch-logs", JobClass.READ_ONLY, "Bring archived logs back to the controller", launch=False),
    Job(
        "maintain-databases",
        # Not disruptive: its work asks the calendar, but it may begin in any opening, for it stops before the end.
        JobClass.ROUTINE,
        "Vacuum, analyze, freeze and rebuild what needs it in databases, and stop before the window closes",
        (Proof("database_maintenance", "sources"),),
    ),
    Job(
        "purge-history",
        # Not disruptive, for the reason of maintain-databases.
        JobClass.ROUTINE,
        "Export old rows of databases into the system's repository and, once they were read back, delete them",
        (Proof("database_history", "sources"),),
    ),
    Job(
        "inspect-databases",
        JobClass.READ_ONLY,
        "Look at databases, their space, sessions, tables, indexes and copies; change nothing",
        launch=False,
    ),
    Job(
        "harden-servers",
        JobClass.DISRUPTIVE,
        "Bring the settings of hosts to the baseline of their systems; each host takes back what nobody confirms",
        (Proof("hardening", "production"),),
        planned=True,
    ),
    Job("undo", JobClass.DISRUPTIVE, "Take a change of settings back, on every host that has it"),
    Job(
        "restart-servers",
        JobClass.DISRUPTIVE,
        "Restart the servers that need it, in the order of their systems, and prove that everything is there again",
        (Proof("server_restart", "sources"),),
        planned=True,
        batches=True,
    ),
    Job("list-backups", JobClass.READ_ONLY, "List accepted backups and their copies", launch=False),
    Job("list-locks", JobClass.READ_ONLY, "Read which runs are at work on which hosts", launch=False),
    Job(
        "list-heads",
        JobClass.READ_ONLY,
        "Fetch the heads of the ledger that the second site has countersigned",
        launch=False,
    ),
    Job(
        "verify-backups", JobClass.READ_ONLY, "Read repositories back and compare them with their records", launch=False
    ),
    Job(
        "drill-restore",
        JobClass.ROUTINE,
        "Restore a system onto an empty host, prove it equal, time it, destroy it",
        (Proof("system_restore", "drill_hosts"),),
        launch=False,
    ),
    Job(
        "recover-system",
        JobClass.EMERGENCY,
        "Restore a system, a database, a table or files for real",
        launch=False,
    ),
)


def all_jobs() -> dict[str, Job]:
    """Return every job by name, in the order of a day's work."""
    return {job.name: job for job in _JOBS}


def find_job(name: str) -> Job:
    """Return the job called `name`.

    Raises `UsageError` naming the nearest job where there is none.
    """
    jobs = all_jobs()
    if name in jobs:
        return jobs[name]
    near = difflib.get_close_matches(name, jobs, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"there is no job '{name}'; jobs: {', '.join(jobs)}.{hint}")
