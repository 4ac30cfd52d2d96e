"""What all policy models share: unknown keys are refused, nothing is converted silently."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

REFUSED = "refused"


class Model(BaseModel):
    """A policy mapping: strict types, no unknown keys, never changed after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def refuse(found: str, allowed: str, hint: str | None = None) -> PydanticCustomError:
    """Return the error by which a validator says what it found, what is allowed and what to do next."""
    return PydanticCustomError(REFUSED, "found {found}", {"found": found, "allowed": allowed, "hint": hint})


def _iso_date(value: Any) -> Any:
    """Accept a date as YAML gives it, or as text in quotes."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise refuse(repr(value), "a date, year-month-day") from None
    if isinstance(value, datetime) or not isinstance(value, date):
        raise refuse(repr(value), "a date, year-month-day")
    return value


def _absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or str(path) != value or value == "/":
        raise refuse(repr(value), "an absolute path below / without '..', '//' or a slash at its end")
    return value


IsoDate = Annotated[date, BeforeValidator(_iso_date)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
# Names become parts of paths, restic tags and forced commands: nothing that a shell or a path would read otherwise.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
SystemId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,30}$")]
RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
