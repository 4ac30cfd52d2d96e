"""How databases are looked after: the part `databases` of `policy/estate.yml`, and the login of each database."""

from __future__ import annotations

from pydantic import Field

from yunwei.policy.base import AbsolutePath, Model, Name

_PERCENT = "1 to 100 percent"


class DatabaseLogin(Model):
    """As whom inspection and maintenance reach a database on its own host; no password exists."""

    os_user: Name | None = Field(default=None, description="the account that the client runs as; by default os_user")
    role: Name | None = Field(default=None, description="the role in the database; by default that of the account")
    socket: AbsolutePath | None = Field(default=None, description="the folder of the server's socket")


class DatabaseInspection(Model):
    """Beyond which figures an inspection finds something."""

    connections_percent: int = Field(default=80, ge=1, le=100, description=f"{_PERCENT} of the sessions allowed")
    transaction_seconds: int = Field(default=3600, ge=1, description="seconds that a transaction may be open")
    blocked_seconds: int = Field(default=60, ge=1, description="seconds that a session may wait for another")
    free_percent: int = Field(default=15, ge=1, le=99, description="1 to 99 percent of a file system that stay free")
    days_until_full: int = Field(default=90, ge=1, description="days that the free space lasts at the present growth")
    wraparound_percent: int = Field(
        default=25, ge=1, le=99, description="1 to 99 percent of the transactions there are"
    )
    dead_rows: int = Field(default=10000, ge=1, description="dead rows of a table, at least")
    dead_rows_percent: int = Field(default=20, ge=1, le=1000, description="dead rows in percent of the living")
    changed_rows: int = Field(default=10000, ge=1, description="rows changed since the last statistics, at least")
    changed_rows_percent: int = Field(default=20, ge=1, le=1000, description="changed rows in percent of the living")
    bloat_percent: int = Field(default=40, ge=1, le=99, description="1 to 99 percent of an index that are waste")
    bloat_bytes: int = Field(default=10**7, ge=10**5, description="bytes of an index that are waste, 100000 at least")
    unused_bytes: int = Field(default=10**8, ge=1, description="bytes of an index that nobody has used")
    sequence_percent: int = Field(default=80, ge=1, le=99, description="1 to 99 percent of a sequence's numbers")
    replication_lag_bytes: int = Field(default=10**8, ge=1, description="bytes that a standby may be behind")
    slot_bytes: int = Field(default=10**9, ge=1, description="bytes that a replication slot may hold back")


class DatabaseMaintenance(Model):
    """When upkeep is needed, and what it must make way for."""

    anytime: bool = Field(default=False, description="true: no window or freeze of the calendar holds upkeep up")
    longest_seconds: int = Field(default=14400, ge=300, le=86400, description="300 to 86400 seconds of a run")
    least_seconds: int = Field(default=120, ge=1, description="seconds of the window without which no step begins")
    statement_seconds: int = Field(default=7200, ge=1, description="seconds after which a statement is stopped")
    lock_wait_seconds: int = Field(default=10, ge=1, le=600, description="1 to 600 seconds of trying to get a lock")
    yield_seconds: int = Field(default=1, ge=0, le=60, description="0 to 60 seconds that others may wait behind us")
    transaction_seconds: int = Field(default=60, ge=0, description="no rebuild while an older transaction is open")
    active_sessions: int = Field(default=50, ge=0, description="sessions at work beyond which upkeep pauses")
    replication_lag_bytes: int = Field(default=10**8, ge=0, description="bytes of a standby's lag, likewise")
    pause_seconds: int = Field(default=5, ge=1, le=600, description="1 to 600 seconds between two looks at the load")
    longest_pause_seconds: int = Field(default=900, ge=0, description="seconds after which a run gives up waiting")
    dead_rows: int = Field(default=1000, ge=1, description="dead rows of a table, at least")
    dead_rows_percent: int = Field(default=10, ge=1, le=1000, description="dead rows in percent of the living")
    changed_rows: int = Field(default=1000, ge=1, description="rows changed since the last statistics, at least")
    changed_rows_percent: int = Field(default=10, ge=1, le=1000, description="changed rows in percent of the living")
    freeze_percent: int = Field(default=75, ge=1, le=99, description="1 to 99 percent of the age of a forced freeze")
    bloat_percent: int = Field(default=30, ge=1, le=99, description="1 to 99 percent of an index that are waste")
    bloat_bytes: int = Field(default=10**7, ge=10**5, description="bytes of an index that are waste, 100000 at least")
    reserve_bytes: int = Field(default=10**9, ge=0, description="bytes of free space that a rebuild leaves")


class DatabaseCare(Model):
    """Inspection and maintenance of the databases of every system."""

    inspection: DatabaseInspection = Field(default=DatabaseInspection(), description="thresholds, each with a default")
    maintenance: DatabaseMaintenance = Field(default=DatabaseMaintenance(), description="limits, each with a default")
