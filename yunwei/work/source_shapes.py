"""What source hosts may hand out, and the unit of work of the roles that set up a site for backups."""

from __future__ import annotations

from typing import TypedDict


class SourceDatabaseWork(TypedDict):
    """A database as `/etc/yunwei/source.json` names it."""

    engine: str
    port: int
    os_user: str
    lock_timeout_seconds: int


class SourceFileSetWork(TypedDict):
    """A file set as `/etc/yunwei/source.json` names it."""

    paths: list[str]
    exclude: list[str]


class SourceLogPlaceWork(TypedDict):
    """A place of log files as `/etc/yunwei/source.json` names it: nothing else is handed out as a log."""

    path: str
    below: bool
    patterns: list[str]
    exclude: list[str]


class SourceHistoryWork(TypedDict):
    """A history rule as `/etc/yunwei/source.json` names it: of no other table are rows handed out."""

    database: str
    schema: str
    table: str
    column: str
    batch_rows: int
    partitions: bool


class SourceSystemWork(TypedDict):
    """One system on one source host, the value below `systems` in `/etc/yunwei/source.json`."""

    databases: dict[str, SourceDatabaseWork]
    file_sets: dict[str, SourceFileSetWork]
    logs: dict[str, list[SourceLogPlaceWork]]
    """By the host's own name; empty where no log rule names the host."""
    history: dict[str, SourceHistoryWork]
    """By rule."""


class SourceWork(TypedDict):
    """What one source host may hand out, for the role that installs the source program."""

    host: str
    account: str
    systems: dict[str, SourceSystemWork]


class PrepareWork(TypedDict):
    """Roles `backup_source` and `backup_server`, on every source and backup server."""

    system: str
    sources: dict[str, dict[str, SourceSystemWork]]
    """By host, then by system: the content of each host's `/etc/yunwei/source.json`."""
    store: str
    """Absolute path on the backup server of the folder that holds one folder for each system."""
