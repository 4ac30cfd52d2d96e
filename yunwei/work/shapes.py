"""The unit of work of each job and system: what the gate hands to the acting modules, as plain JSON.

Nothing here is secret. `secret` fields name the secret below `systems/<system>/` in Vault; the module finds its value
under the same name in its `secrets` argument. Times are ISO 8601 in UTC. A value is never left out: what does not
apply is `None` or an empty list.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Kind = Literal["database", "files"]
SiteName = Literal["local", "miyun"]


class DueWork(TypedDict):
    """When an item is due: it is, if no accepted backup of it started at or after `last_scheduled`."""

    last_scheduled: str
    """The latest scheduled moment that is not later than the work's `now`."""
    next_due: str
    """The first scheduled moment after `now`."""


class SourceHostWork(TypedDict):
    """Where something is pulled from, and as whom."""

    source_host: str
    source_address: str
    source_port: int
    account: str
    """Always `yunwei-source`."""
    secret: str
    """`source-<host>`: {private_key, public_key}."""
    ssh_options: list[str]
    """Extra `-o` values that an old sshd needs, such as `HostKeyAlgorithms=+ssh-rsa`; mostly empty."""


class BackUpItemWork(SourceHostWork):
    """One database or file set to be pulled."""

    item: str
    """`database:<name>` or `files:<name>`."""
    slug: str
    """`database-<name>` or `files-<name>`: safe as part of a file name."""
    kind: Kind
    name: str
    """The word after `dump` or `files` in the forced command."""
    engine: str | None
    """`postgresql`, `kingbase`, `dameng`, `oracle`; None for files."""
    no_driver: str | None
    """Why this item cannot be judged (`could not judge: no driver for dameng`); None when a driver exists."""
    full_every_days: int | None
    """File sets: every so many days everything is read and hashed again; None for databases."""
    lock_timeout_seconds: int | None
    """Databases: how long the dump waits for a table lock; None for files."""
    rpo_seconds: int
    schedule: DueWork


class ReleaseWork(TypedDict):
    """A suspicious backup that a person has looked at: what it held back is held no more."""

    item: str
    record: str
    """Record id, or a prefix of it of at least 8 characters."""
    reason: str


class TripwireWork(TypedDict):
    """How much a new backup may have lost against the one before it; what a limit excludes is not judged."""

    table_rows_percent: int
    all_rows_percent: int
    tables_gone: int
    minimum_rows: int
    files_percent: int
    minimum_files: int
    rewritten_points: int
    """By how many points the rewritten share of the bytes may exceed what is usual for the item."""
    minimum_bytes: int
    hold: int
    """How many good backups before a suspicious one are held."""
    releases: list[ReleaseWork]


class BackUpWork(TypedDict):
    """Module `backup_pull`, once per system on the backup server."""

    system: str
    repository: str
    """Absolute path of the repository on the backup server; its password is secret `repository-local`."""
    records: str
    """Absolute path of the folder of accepted-backup records."""
    known_hosts: list[str]
    """Lines of a known_hosts file: every pinned key of the sources of this system and of nothing else."""
    items: list[BackUpItemWork]
    now: bool
    """True: pull every item, due or not."""
    time: str
    """The moment that `schedule` was computed for."""
    parallel: int
    """Databases pulled at the same time."""
    tripwire: TripwireWork


class RemoteWork(TypedDict):
    """A repository behind an SSH forced command."""

    site: SiteName
    address: str
    port: int
    user: str
    path: str
    """The repository's folder as the far side knows it, for the record only: the forced command fixes it."""
    secret: str
    """`miyun-append`, `miyun-read` or `local-read`: {private_key, public_key}."""
    repository_secret: str
    """`repository-miyun` or `repository-local`: {password}."""
    host_keys: list[str]
    """known_hosts lines that pin the far side."""
    receipt_public_key: str | None
    """OpenSSH public key that signs receipts (namespace `yunwei-receipt`); None for site local."""


class TargetWork(TypedDict):
    """Where copies are written and by what they are proven; the work's `remote` reaches the host that proves."""

    kind: Literal["append_over_ssh", "gateway_share", "vendor_replica"]
    share_name: str | None
    """What the share says in its marker file; None for append_over_ssh."""
    share_path: str | None
    """vendor_replica: absolute path on the backup server of the share that the vendor replicates; else None."""
    replica_wait_seconds: int
    """vendor_replica: how long a sync waits for the replication before it ends as could not judge."""


class HeadWork(TypedDict):
    """The end of the controller's ledger, which the second site countersigns."""

    count: int
    hash: str


class PermissionWork(TypedDict):
    """The client's written permission under which a rule deletes."""

    reference: str
    expires: str
    """ISO date, the last day on which the rule may run."""


class LogRuleWork(TypedDict):
    """Files of one place that are archived and then removed; ages count from the time of the last change."""

    name: str
    kind: Literal["rotated", "temporary", "package_cache", "local_backup"]
    path: str
    below: bool
    patterns: list[str]
    """Globs over a file's name."""
    exclude: list[str]
    account: str | None
    """As whom to act; None: as the owner of the folder, where nobody else can change it."""
    keep_days: int
    """What is younger stays, whatever else the rule says."""
    after_days: int | None
    max_bytes: int | None
    until_free_percent: int | None
    until_free_bytes: int | None
    keep_newest: int
    permission: PermissionWork


class LogSourceWork(SourceHostWork):
    """The item that a host's archived logs are; named like those of a `BackUpItemWork`."""

    item: str
    """`logs:<host>`."""
    slug: str
    kind: Literal["logs"]
    name: str
    """The word after `logs` in the forced command: the host."""
    engine: None


class LogWork(TypedDict):
    """Modules `log_files_plan` and `log_files_retire` on each host, `log_archive` on the backup server."""

    system: str
    repository: str
    records: str
    backup_server: str
    known_hosts: list[str]
    sources: dict[str, LogSourceWork]
    """By host."""
    rules: dict[str, list[LogRuleWork]]
    """By host, in the order of policy: the first rule that takes a file has it."""
    today: str
    """ISO date in the estate's zone: permissions are held against it."""
    time: str
    """Ages count up to this moment of the controller's clock."""
    tripwire: TripwireWork


class DatabaseLoginWork(TypedDict):
    """How psql or its like reaches a database on its own host."""

    database: str
    port: int
    os_user: str
    """The account that the client runs as."""
    role: str | None
    """None: the role of the account's name."""
    socket: str | None
    """None: the folder that the client knows."""


class DatabaseWork(TypedDict):
    """One database that is looked after."""

    item: str
    """`database:<name>`."""
    name: str
    engine: str
    no_driver: str | None
    login: DatabaseLoginWork


class DatabaseInspectionWork(TypedDict):
    """Module `database_inspection`, once per system on each host with a database."""

    system: str
    databases: dict[str, list[DatabaseWork]]
    """By host."""
    limits: dict[str, int]
    """The thresholds of policy, by name."""


class DatabaseMaintenanceWork(TypedDict):
    """Module `postgresql_maintenance`, once per system on each host with a database."""

    system: str
    databases: dict[str, list[DatabaseWork]]
    """By host."""
    limits: dict[str, int]
    """The limits of policy, by name."""
    until: str | None
    """When the window closes, by the controller's clock; None where none is open."""
    closed: str | None
    """Why none is open, and when the next one is."""


class SyncWork(TypedDict):
    """Module `repository_copy`, once per system on the backup server."""

    system: str
    repository: str
    records: str
    items: list[str]
    """Item ids that policy names; copies of anything else are reported, not made."""
    remote: RemoteWork
    target: TargetWork
    bandwidth_kib_per_second: int
    """0 is no limit."""
    probe_every_days: int
    """How often the appending key is tried for what it must not do there."""
    head: HeadWork
    time: str


class KeepWork(TypedDict):
    """How many accepted backups of each item are kept: the newest of so many days, weeks, months, years."""

    last: int
    daily: int
    weekly: int
    monthly: int
    yearly: int


class LegalHoldWork(TypedDict):
    """A backup that must not be removed, whatever the rule says."""

    item: str
    record: str
    """Record id, or a prefix of it of at least 8 characters."""
    reason: str
    until: str | None
    """ISO date of the last day of the hold; None is until somebody ends it. Only holds in force are listed."""


class ReleasedWork(TypedDict):
    """Backups that may go from the local site although the second one has not proven them yet."""

    records: list[str]
    """Ids or beginnings of ids; nothing else is removed."""
    reason: str


class RetireWork(TypedDict):
    """Module `repository_retire`, once per system at the site whose rule it is."""

    system: str
    site: SiteName
    repository: str
    records: str | None
    """None at the second site: its own account reads the records out of the repository."""
    items: list[str]
    keep: KeepWork
    max_removals: int
    rejected_days: int
    """Local site: days that a snapshot stays that was never accepted, from when a retention run first saw it."""
    alert_days: int
    """The run fails when the site's disk is full in so many days or less."""
    permission: PermissionWork
    legal_holds: list[LegalHoldWork]
    tripwire_releases: list[ReleaseWork]
    needs_site: SiteName | None
    """Only backups proven at this site may be removed; None at the last site of the chain."""
    release: ReleasedWork | None
    """An early release; the gate has seen that it was approved."""
    timezone: str
    """IANA name: days, weeks and months begin there."""
    time: str
