"""Which rules of the catalogue hold for a system's hosts, which are waived, and how a change is guarded."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from yunwei.policy.base import IsoDate, Model, Name, RoleName

RuleId = Name
Level = Literal[2, 3]


class Waiver(Model):
    """A rule that is left out for a while, and who answers for it."""

    rule: RuleId = Field(description="a rule of the catalogue")
    hosts: list[str] = Field(default=[], description="hosts of this system; all where empty")
    reason: str = Field(min_length=3, description="why")
    approver: RoleName = Field(description="a role, never a person: who answers for it")
    until: IsoDate = Field(description="the last day on which the rule is left out")

    def covers(self, rule: str, host: str, today: date) -> bool:
        """Tell whether the rule is left out on a host today."""
        return self.rule == rule and today <= self.until and (not self.hosts or host in self.hosts)


class Hardening(Model):
    """The baseline of a system: GB/T 22239-2019 (等保 2.0), by the level that the system was graded."""

    level: Level = Field(description="2 or 3: the level that the system was graded")
    add: list[RuleId] = Field(default=[], description="rules of the catalogue beyond the baseline")
    waive: list[Waiver] = Field(default=[], description="rules left out: rule, hosts, reason, approver, until")


class HardeningGuard(Model):
    """What holds for every change of settings of the estate's hosts."""

    confirm_seconds: int = Field(
        default=180, ge=20, le=3600, description="20 to 3600 seconds after which an unconfirmed change is taken back"
    )
    probe_account: Name | None = Field(
        default=None, description="an account whose login by password and sudo is tried before a change is kept"
    )
    exempt_accounts: list[Name] = Field(
        default=["dmdba", "kingbase", "oracle", "postgres"],
        description="accounts of database servers, whose shells keep their umask and never time out",
    )
