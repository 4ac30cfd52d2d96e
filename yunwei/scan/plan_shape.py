"""The shape of a scan plan's file: what `plan_document` writes, and what may be left of it once people edited it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from yunwei.policy.base import IsoDate, Model, SystemId
from yunwei.policy.hardening import RuleId

FindingId = Annotated[str, Field(pattern=r"^f-[0-9a-f]{16}$")]
Words = Annotated[dict[str, str], Field(description="zh and en")]


class Row(Model):
    """A finding; its id is what counts, the rest is for people."""

    id: FindingId = Field(description="a finding's id, such as f-0123456789abcdef")
    severity: str = Field(default="", description="the scanner's own word")
    name: str = Field(default="", description="the scanner's own name")
    port: str = Field(default="", description="a port, such as 22/tcp, in quotes")
    scanner_id: str = Field(default="", description="the scanner's own id, in quotes")
    note: str = Field(default="", description="a text of yours")


class NamedRule(Model):
    """A rule of the catalogue, with what people are told of it."""

    rule: RuleId = Field(description="a rule of `yunwei list rules`")
    title: Words = Field(default={}, description="zh and en")
    risk: Literal["low", "medium", "high"] | None = Field(default=None, description="low, medium or high")
    restart: Literal["none", "service", "host"] | None = Field(default=None, description="none, service or host")
    advice: Words = Field(default={}, description="zh and en")


class HardenStep(NamedRule):
    """A rule to set on a host, and the findings that it answers there."""

    policy: Literal["has it", "add"] | None = Field(default=None, description="has it, or add")
    findings: list[Row] = Field(min_length=1, description="a list of findings: no change without one")


class UpdateStep(Model):
    """A package, or rules that are updates; no job takes it."""

    package: str = Field(default="", description="a package")
    installed: list[str] = Field(default=[], description="a list of versions, in quotes")
    fixed: list[str] = Field(default=[], description="a list of versions, in quotes")
    cves: list[str] = Field(default=[], description="a list of CVEs")
    rules: list[NamedRule] = Field(default=[], description="a list of rules")
    findings: list[Row] = Field(description="a list of findings")


class PersonStep(Model):
    """Work of people; no job takes it."""

    why: str = Field(default="", description="a text")
    rules: list[NamedRule] = Field(default=[], description="a list of rules")
    scanner_says: str = Field(default="", description="a text")
    fixed: list[str] = Field(default=[], description="a list of versions, in quotes")
    findings: list[Row] = Field(description="a list of findings")


class WaivedStep(Model):
    """What was accepted."""

    why: str = Field(default="", description="a text")
    findings: list[Row] = Field(description="a list of findings")


class PlannedHost(Model):
    """A host of the inventory and its steps."""

    host: str = Field(description="a host of the inventory")
    systems: list[SystemId] = Field(default=[], description="the systems of the host")
    harden: list[HardenStep] = Field(default=[], description="a list of rules with their findings")
    update: list[UpdateStep] = Field(default=[], description="a list of packages with their findings")
    person: list[PersonStep] = Field(default=[], description="a list of work for people")
    waived: list[WaivedStep] = Field(default=[], description="a list of what was accepted")


class Elsewhere(Model):
    """Findings of a host that is not ours."""

    host: str = Field(description="the report's own name of the host")
    why: str = Field(default="", description="a text")
    findings: list[Row] = Field(description="a list of findings")


class Report(Model):
    """The report that the plan answers."""

    id: str = Field(pattern=r"^s-[0-9a-f]{12}$", description="a report's id, such as s-0123456789ab")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="the SHA-256 of the report")
    file: str = Field(default="", description="the report's file")
    scanner: str = Field(default="", description="the scanner")
    format: str = Field(default="", description="the report's format")


class ScanPlan(Model):
    """The whole file."""

    report: Report = Field(description="the report: id, sha256")
    day: IsoDate | None = Field(default=None, description="the day of the plan, year-month-day")
    findings: dict[str, int] = Field(default={}, description="how many findings have which outcome")
    policy: list[dict[str, Any]] = Field(default=[], description="a list of what could be added to policy")
    hosts: list[PlannedHost] = Field(description="a list of hosts with their steps")
    not_in_inventory: list[Elsewhere] = Field(default=[], description="a list of hosts that are not ours")
    notes_without_finding: list[Row] = Field(default=[], description="a list of notes, each beside an id")
