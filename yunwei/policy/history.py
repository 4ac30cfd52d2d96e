"""Old rows of a database that are exported and then deleted, or whose partitions are dropped whole."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from yunwei.policy.base import Model, Name, refuse
from yunwei.policy.logs import Permission

# PostgreSQL cuts longer names off without a word, and would then find another table.
_LONGEST_NAME = 63


def _identifier(value: str) -> str:
    if not value or len(value.encode()) > _LONGEST_NAME or not value.isprintable():
        hint = "Write the name as the catalog has it, without the quotes of SQL."
        raise refuse(repr(value), f"a name of 1 to {_LONGEST_NAME} bytes without control characters", hint)
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]


class HistoryRule(Model):
    """Rows of one table that are exported, read back and then deleted once they are old enough."""

    name: Name = Field(description="a short name, once in a system")
    database: Name = Field(description="a database of this system")
    schema_name: Identifier = Field(default="public", description="the table's schema")
    table: Identifier = Field(description="the table's own name")
    column: Identifier = Field(description="the column that a row's age is counted from: a date or a time")
    keep_days: int = Field(ge=30, le=36600, description="30 to 36600 days: what is younger stays whatever happens")
    largest_share_percent: int = Field(
        ge=1, le=100, description="1 to 100 percent of the rows that may be old; with more nothing is deleted"
    )
    batch_rows: int = Field(default=1000, ge=1, le=10000, description="1 to 10000 rows deleted by one statement")
    pause_milliseconds: int = Field(
        default=100, ge=0, le=60000, description="0 to 60000 milliseconds between two statements"
    )
    rows_per_run: int = Field(default=200_000, ge=1, le=1_000_000, description="1 to 1000000 rows of one run")
    partitions: bool = Field(default=False, description="true: whole partitions are dropped, no single row is deleted")
    permission: Permission = Field(
        description="the client's written permission {reference, expires}: no rule deletes without"
    )
