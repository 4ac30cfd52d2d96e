"""The unit of work of a restore, be it a drill or a recovery; what holds for every shape is in `yunwei.work.shapes`."""

from __future__ import annotations

from typing import Literal, TypedDict

from yunwei.work.shapes import Kind, RemoteWork, SiteName


class ProbeWork(TypedDict):
    """How the application proves that it is up."""

    url: str
    expect: str
    """Text that the answer must contain."""
    timeout_seconds: int


class ApplicationWork(TypedDict):
    """What must answer at the end of a restore."""

    file_set: str
    """Name of the file set that holds the program."""
    command: list[str]
    """Argument vector; paths without leading slash are below the restored root of the file set."""
    environment: dict[str, str]
    database: str | None
    """Name of the database that it talks to."""
    probe: ProbeWork


class ServiceWork(TypedDict):
    """A service of the system."""

    host: str
    unit: str
    order: int
    stops: bool
    """False for the server of a database: a restore by SQL needs it, so it is only started."""


class TargetsWork(TypedDict):
    """What the contract promises."""

    rto_seconds: int
    rpo_seconds: int
    production_bytes: int


class RestoreItemWork(TypedDict):
    """One item to be restored."""

    item: str
    slug: str
    kind: Kind
    name: str
    engine: str | None
    no_driver: str | None
    record: str | None
    """Record id (or prefix) asked for; None is the newest accepted one at the site."""
    source_host: str
    target_host: str
    """Inventory name of the host that receives it."""
    port: int | None
    """Databases: the port of the production server (never used for a scratch instance)."""
    paths: list[str]
    """File sets: the absolute paths that policy names; empty for databases."""
    rpo_seconds: int


class PartWork(TypedDict):
    """A part of a system that `recover` was asked for; every field None or empty means the whole system."""

    database: str | None
    table: str | None
    """`schema.table` as the manifest spells it."""
    into_schema: str | None
    files: str | None
    """Glob over absolute paths."""
    into_dir: str | None


class EndpointWork(TypedDict):
    """A place in production that a drill host must not reach."""

    host: str
    address: str
    port: int


class RestoreWork(TypedDict):
    """Modules `restore_*`, for the drill and for recovery alike."""

    system: str
    restore_id: str
    """Same for all modules of one restore; letters, digits and hyphens."""
    mode: Literal["drill", "recover"]
    site: SiteName
    remote: RemoteWork | None
    """Where to read from over SSH; None when site is local and policy names no read account there."""
    repository: str | None
    """Site local: absolute path of the repository on `backup_server`; None for miyun."""
    records: str | None
    """Site local: folder of records on `backup_server`; None for miyun."""
    backup_server: str | None
    """Site local: inventory name of the backup server; None for miyun (which must work without it)."""
    items: list[RestoreItemWork]
    part: PartWork
    target_hosts: list[str]
    target_groups: dict[str, list[str]]
    """Inventory groups of each target host, for the record of the guard."""
    targets: TargetsWork
    application: ApplicationWork | None
    services: list[ServiceWork]
    """In start order (ascending); stop in reverse. Always empty in a drill."""
    left_alone: list[ServiceWork]
    """Services of the system that a recovery onto other hosts does not start; always empty in a drill."""
    replace: list[str]
    """What may be overwritten, by item id (`database:mediation`) or absolute path; always empty in a drill."""
    accepted: list[str] | None
    """SHA-256 of every manifest that the ledger knows as accepted; None when the ledger could not be asked."""
    verified: list[str]
    """Ids of the records whose copy at the site the ledger knows as verified."""
    source_endpoints: list[EndpointWork]
    """Must NOT be reachable from the target; always empty for recover."""
    work_dir: str
    """Absolute path `<drill.work_dir>/<restore_id>` on the target."""
    reserve_bytes: int
    """Free space that must remain on the target."""
    keep_on_failure: bool
    time: str
