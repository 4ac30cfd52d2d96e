"""One system of the contract: a file below `policy/systems/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import Field

from yunwei.errors import RefusedError, UsageError
from yunwei.jobs import Job
from yunwei.policy.approvals import NeedsApproval
from yunwei.policy.base import AbsolutePath, IsoDate, Model, Name, Port, RoleName, SystemId
from yunwei.policy.databases import DatabaseLogin
from yunwei.policy.engines import ENGINES, EngineName
from yunwei.policy.estate import SiteName
from yunwei.policy.hardening import Hardening
from yunwei.policy.history import HistoryRule
from yunwei.policy.logs import LogRule, Permission
from yunwei.policy.restart import RestartRules
from yunwei.policy.schedule import Schedule
from yunwei.policy.tripwire import RECORD_ID, RecordId, Tripwire

Kind = Literal["database", "files"]
_RPO = "seconds, greater than 0; only where the item differs from the system's target"


class Names(Model):
    """A name in both languages of the reports."""

    zh: str = Field(min_length=1, description="the Chinese name")
    en: str = Field(min_length=1, description="the English name")


class Database(Model):
    """A database that is backed up."""

    name: Name = Field(description="the database's own name")
    engine: EngineName = Field(description=", ".join(ENGINES))
    host: str = Field(description="a host of the inventory")
    port: Port | None = Field(default=None, description="a port; by default the engine's own")
    os_user: Name | None = Field(default=None, description="the account of the server; by default the engine's own")
    lock_timeout_seconds: int = Field(default=10, ge=1, le=3600, description="1 to 3600 seconds")
    rpo_seconds: int | None = Field(default=None, gt=0, description=_RPO)
    login: DatabaseLogin | None = Field(default=None, description="os_user, role, socket of inspection and maintenance")
    schedule: Schedule = Field(description="every, day, at")


class FileSet(Model):
    """Files that are backed up together."""

    name: Name = Field(description="a short name")
    host: str = Field(description="a host of the inventory")
    paths: list[AbsolutePath] = Field(min_length=1, description="at least one absolute path")
    exclude: list[str] = Field(default=[], description="glob patterns")
    full_every_days: int = Field(default=30, ge=1, le=366, description="1 to 366 days between full readings")
    rpo_seconds: int | None = Field(default=None, gt=0, description=_RPO)
    schedule: Schedule = Field(description="every, day, at")


class Targets(Model):
    """What the contract promises and how big production is."""

    rto_seconds: int = Field(gt=0, description="seconds, greater than 0")
    rpo_seconds: int = Field(gt=0, description="seconds, greater than 0")
    production_bytes: int = Field(gt=0, description="bytes, greater than 0")


class Keep(Model):
    """How many accepted backups of each item stay."""

    last: int = Field(ge=1, description="at least 1")
    daily: int = Field(default=0, ge=0, description="0 or more")
    weekly: int = Field(default=0, ge=0, description="0 or more")
    monthly: int = Field(default=0, ge=0, description="0 or more")
    yearly: int = Field(default=0, ge=0, description="0 or more")


class Retention(Model):
    """What may be removed at one site."""

    site: SiteName = Field(description="local or miyun")
    keep: Keep = Field(description="last, daily, weekly, monthly, yearly")
    max_removals: int = Field(ge=1, description="at least 1 removal a run")
    rejected_days: int = Field(
        default=30, ge=7, description="7 days or more that a never accepted snapshot is kept here"
    )
    alert_days: int = Field(default=30, ge=1, description="at least 1 day before the disk is full")
    permission: Permission = Field(
        description="the client's written permission {reference, expires}: no rule deletes without"
    )


class LegalHold(Model):
    """A backup that stays whatever the rules say."""

    item: str = Field(description="an item such as database:mediation")
    record: RecordId = Field(description=RECORD_ID)
    reason: str = Field(min_length=3, description="why")
    until: IsoDate | None = Field(description="the last day, or null until somebody ends it")

    def holds(self, today: date) -> bool:
        """Tell whether the hold is in force."""
        return self.until is None or today <= self.until


class Service(Model):
    """A service that stops before a recovery and starts after it."""

    host: str = Field(description="a host of the inventory")
    unit: str = Field(pattern=r"^[A-Za-z0-9@:._-]+$", description="the name of a unit or init script")
    order: int = Field(ge=0, description="0 or more: started in ascending, stopped in descending order")


class Probe(Model):
    """A request that only a working application answers."""

    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", description="an http or https address")
    expect: str = Field(min_length=1, description="text that the answer contains")
    timeout_seconds: int = Field(default=60, ge=1, le=3600, description="1 to 3600 seconds")


class Application(Model):
    """What is started and asked at the end of a restore."""

    file_set: str = Field(description="a file set of this system")
    command: list[str] = Field(min_length=1, description="an argument vector")
    environment: dict[str, str] = Field(default={}, description="names and texts")
    database: str | None = Field(default=None, description="a database of this system")
    probe: Probe = Field(description="url, expect, timeout_seconds")


@dataclass(frozen=True)
class Item:
    """What a backup is made of: one database or one file set."""

    kind: Kind
    name: str
    host: str
    schedule: Schedule
    rpo_seconds: int
    database: Database | None = None
    file_set: FileSet | None = None

    @property
    def id(self) -> str:
        """Return `database:<name>` or `files:<name>`."""
        return f"{self.kind}:{self.name}"

    @property
    def slug(self) -> str:
        """Return the id as part of a file name."""
        return f"{self.kind}-{self.name}"

    @property
    def engine(self) -> EngineName | None:
        """Return the database's engine, None for files."""
        return self.database.engine if self.database else None

    @property
    def port(self) -> int | None:
        """Return the database's port, its engine's own where policy names none; None for files."""
        return (self.database.port or ENGINES[self.database.engine].port) if self.database else None


class System(Model):
    """A system, its items, targets and rules."""

    id: SystemId = Field(description="lower-case letters, digits and _; the same as the file's name")
    name: Names = Field(description="zh and en")
    contract: str = Field(description="the section of the contract, in quotes")
    owner_role: RoleName = Field(description="a role, never a person: lower-case letters, digits and hyphens")
    hosts: dict[str, RoleName] = Field(min_length=1, description="hosts of the inventory with what each is for")
    databases: list[Database] = Field(default=[], description="a list of databases")
    file_sets: list[FileSet] = Field(default=[], description="a list of file sets")
    targets: Targets = Field(description="rto_seconds, rpo_seconds, production_bytes")
    retention: list[Retention] = Field(default=[], description="a list of rules, one a site")
    legal_holds: list[LegalHold] = Field(default=[], description="a list of holds")
    logs: list[LogRule] = Field(default=[], description="a list of rules for log files")
    history: list[HistoryRule] = Field(default=[], description="a list of rules for old rows of databases")
    hardening: Hardening | None = Field(default=None, description="level, add, waive; null: not hardened")
    tripwire: Tripwire = Field(default=Tripwire(), description="what is suspicious about a new backup")
    needs_approval: NeedsApproval = Field(
        default=[], description="classes of jobs, or jobs, that a second person must approve"
    )
    services: list[Service] = Field(default=[], description="a list of services")
    restart: RestartRules = Field(default=RestartRules(), description="tiers, hosts, probes, waivers")
    application: Application | None = Field(
        default=None, description="what is started at the end of a restore, or null"
    )

    def items(self) -> list[Item]:
        """Return all databases, then all file sets."""
        rpo = self.targets.rpo_seconds
        databases = [
            Item("database", one.name, one.host, one.schedule, one.rpo_seconds or rpo, database=one)
            for one in self.databases
        ]
        file_sets = [
            Item("files", one.name, one.host, one.schedule, one.rpo_seconds or rpo, file_set=one)
            for one in self.file_sets
        ]
        return databases + file_sets

    @property
    def log_hosts(self) -> list[str]:
        """Return the hosts that have a log rule, in alphabetical order."""
        return sorted({host for rule in self.logs for host in rule.hosts})

    def wants_approval(self, job: Job) -> bool:
        """Tell whether a second person must approve the plan of this job before it acts on this system.

        A class marks its jobs that have plans: `undo` has none, and must be there at once when a change does harm.
        """
        return job.planned and bool({job.name, job.job_class.value} & set(self.needs_approval))

    def require_log_permissions(self, today: date) -> None:
        """Raise `RefusedError` where the permission of a log rule has expired: then nothing may be removed."""
        self._require_permissions("log", self.logs, today)

    def history_rules(self, name: str | None, today: date) -> list[HistoryRule]:
        """Return the history rules, or the one called `name`.

        Raises `UsageError` where there is none of that name, `RefusedError` where a permission has expired.
        """
        rules = [rule for rule in self.history if name in (None, rule.name)]
        if name is not None and not rules:
            known = ", ".join(rule.name for rule in self.history) or "none"
            raise UsageError(f"{self.id} has no history rule '{name}'; rules: {known}")
        self._require_permissions("history", rules, today)
        return rules

    def _require_permissions(self, kind: str, rules: Sequence[LogRule | HistoryRule], today: date) -> None:
        expired = [rule for rule in rules if today > rule.permission.expires]
        if expired:
            rule = expired[0]
            raise RefusedError(
                f"{self.id}: the permission {rule.permission.reference} of {kind} rule '{rule.name}' expired on "
                f"{rule.permission.expires}; today is {today}. Ask the client for a new one and enter it in policy, "
                f"or take the rule out."
            )

    def retention_rule(self, site: str, today: date) -> Retention:
        """Return the rule for a site.

        Raises `RefusedError` when there is none or when its permission has expired: then nothing may be removed.
        """
        rule = next((rule for rule in self.retention if rule.site == site), None)
        if rule is None:
            raise RefusedError(
                f"{self.id}: policy has no retention rule for site '{site}', so nothing is removed there."
            )
        if today > rule.permission.expires:
            raise RefusedError(
                f"{self.id}: the permission {rule.permission.reference} for removals at site '{site}' expired on "
                f"{rule.permission.expires}; today is {today}. Ask the client for a new one and enter it in policy."
            )
        return rule

    def services_in_start_order(self) -> list[Service]:
        """Return the services as they are started; stop them in reverse."""
        return sorted(self.services, key=lambda service: (service.order, service.host, service.unit))
