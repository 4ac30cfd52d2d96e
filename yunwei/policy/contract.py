"""What the contract owes each system: the file `policy/contract.yml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from yunwei.policy.base import Model
from yunwei.policy.schedule import Every
from yunwei.policy.system import Kind, Names


class Owed(Model):
    """Backups of one kind that the contract asks for."""

    kind: Kind = Field(description="database or files")
    every: Every | None = Field(description="the longest period allowed, or null for any schedule")


class Section(Model):
    """One section of the contract."""

    section: str = Field(pattern=r"^[0-9]+(\.[0-9]+)+$", description='a section number in quotes, such as "2.5"')
    name: Names = Field(description="zh and en")
    backups: list[Owed] = Field(description="what is owed, or an empty list")
    by_hand: list[str] = Field(default=[], description="duties of people that belong to the backups")


class Contract(Model):
    """The contract's sections, against which the systems are checked: one that is missing is a problem."""

    format: Literal[1] = Field(description="1")
    sections: list[Section] = Field(min_length=1, description="the sections that this inventory carries")
