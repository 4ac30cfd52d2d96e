"""What is suspicious about a new backup, and which findings a person has released."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from yunwei.policy.base import Model

Percent = Annotated[int, Field(ge=1, le=100)]
RecordId = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
RECORD_ID = "8 to 64 hexadecimal digits of a record id, in quotes"


class Release(Model):
    """A person looked at a suspicious backup: it is as it should be, or is of no use any more."""

    item: str = Field(description="an item such as database:mediation")
    record: RecordId = Field(description=RECORD_ID)
    reason: str = Field(min_length=3, description="why")


class Tripwire(Model):
    """How much a backup may have lost against the one before it; 100 per cent cannot be exceeded: never suspicious."""

    table_rows_percent: Percent = Field(default=30, description="1 to 100 per cent of a table's rows")
    all_rows_percent: Percent = Field(default=20, description="1 to 100 per cent of a database's rows")
    tables_gone: int = Field(default=0, ge=0, description="0 or more tables that may vanish at once")
    minimum_rows: int = Field(default=1000, ge=1, description="at least 1 row; smaller tables are not judged")
    files_percent: Percent = Field(default=30, description="1 to 100 per cent of the files")
    minimum_files: int = Field(default=50, ge=1, description="at least 1 file; smaller sets are not judged by files")
    rewritten_points: Percent = Field(default=40, description="1 to 100 points above what is usual for the item")
    minimum_bytes: int = Field(default=1 << 26, ge=1, description="at least 1 byte; less is not judged by bytes")
    hold: int = Field(default=3, ge=1, le=100, description="1 to 100 good backups that are held")
    releases: list[Release] = Field(default=[], description="a list of releases {item, record, reason}")
