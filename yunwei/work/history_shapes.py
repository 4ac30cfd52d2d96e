"""What job `purge-history` hands to its modules; everything in it is JSON."""

from __future__ import annotations

from typing import Literal, TypedDict

from yunwei.work.shapes import DatabaseWork, PermissionWork, SourceHostWork, TripwireWork


class HistorySourceWork(SourceHostWork):
    """The item that the exported rows of one rule are; named like those of a `BackUpItemWork`."""

    item: str
    """`history:<rule>`."""
    slug: str
    kind: Literal["history"]
    name: str
    """The word after `history` in the forced command: the rule."""
    engine: str


class HistoryRuleWork(TypedDict):
    """Old rows of one table, which are exported and then deleted."""

    name: str
    database: DatabaseWork
    schema: str
    table: str
    column: str
    before: str
    """What is older goes: the beginning of a day in the estate's zone, ISO 8601 with its offset."""
    largest_share_percent: int
    batch_rows: int
    pause_milliseconds: int
    rows_per_run: int
    partitions: bool
    permission: PermissionWork
    source: HistorySourceWork


class HistoryWork(TypedDict):
    """Modules `database_history_plan` and `_purge` on each host, `database_history_archive` on the backup server."""

    system: str
    repository: str
    records: str
    backup_server: str
    known_hosts: list[str]
    rules: dict[str, list[HistoryRuleWork]]
    """By host."""
    limits: dict[str, int]
    """The limits of policy for maintenance, by name."""
    until: str | None
    """When the window closes, by the controller's clock; None where none is open."""
    closed: str | None
    today: str
    """ISO date in the estate's zone: permissions are held against it."""
    tripwire: TripwireWork
