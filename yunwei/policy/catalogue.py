"""The catalogue of rules: from what a scanner names to what is set on a host. One YAML file a subject.

The project's own files are in `yunwei/hardening/catalogue/`; an inventory may add some below `policy/hardening/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from yunwei.policy.base import Model, Name, refuse
from yunwei.policy.hardening import Level, RuleId
from yunwei.policy.problems import Problem
from yunwei.policy.structure import read_model
from yunwei.policy.system import Names
from yunwei.policy.yaml_files import read_mapping

Release = Literal["el6", "el7", "debian11", "debian12"]
Kind = Literal["sshd", "sysctl", "login_defs", "pwquality", "pam", "file_mode", "service_off", "login_shell"]
Compare = Literal["equal", "at_least", "at_most", "within", "absent"]
# Of GB/T 22239-2019, 安全计算环境; the same in levels 2 and 3.
Clause = Literal["身份鉴别", "访问控制", "安全审计", "入侵防范"]
Remedy = Literal["settings", "package", "manual", "accept"]
OWN = Path(__file__).resolve().parents[1] / "hardening" / "catalogue"
# What each kind of setting calls by its `name`; the value stands in files that programs read as lines.
_NAMES = {
    "sshd": r"[A-Za-z0-9]+",
    "sysctl": r"(net|kernel|fs|vm)(\.[A-Za-z0-9_-]+)+",
    "login_defs": r"[A-Z_]+",
    "pwquality": r"[a-z_]+",
    "pam": r"(auth|account|password|session) pam_[a-z0-9_]+\.so [a-z_]+",
    "file_mode": r"/[A-Za-z0-9_./*-]+",
    "service_off": r"[A-Za-z0-9@_.-]+",
    "login_shell": r"umask|TMOUT",
}
_VALUE = r"[A-Za-z0-9@+:,./ _-]*"


def _full_oid(text: str) -> str:
    if not text.replace(".", "").isdigit():
        raise refuse(repr(text), "the last number of an OID below 1.3.6.1.4.1.25623.1.0, in quotes")
    return text


class Package(Model):
    """A flaw of a package: without a package the flaw counts wherever it is found."""

    cve: str = Field(pattern=r"^CVE-\d{4}-\d{4,}$", description="CVE-YEAR-NUMBER")
    package: str | None = Field(default=None, description="the package's name, as the host's package manager has it")


class Match(Model):
    """What scanners call the finding that a rule clears; any one of them is enough."""

    nessus: list[str] = Field(default=[], description="plugin ids, in quotes")
    openvas: list[Annotated[str, AfterValidator(_full_oid)]] = Field(default=[], description="last numbers of OIDs")
    rsas: list[str] = Field(default=[], description="vul_ids of RSAS, in quotes")
    rsas_names: list[str] = Field(default=[], description="names of RSAS where no vul_id is known")
    scap: list[str] = Field(default=[], description="rules of SCAP without their prefix, or STIG ids such as SV-204592")
    lynis: list[str] = Field(default=[], description="test ids of Lynis")
    nexpose: list[str] = Field(default=[], description="ids of Nexpose")
    flaws: list[Package] = Field(default=[], description="a list of {cve, package}")


class Setting(Model):
    """One thing that is set; `kind` says what `name` and `value` are (docs/hardening.md)."""

    kind: Kind = Field(description=", ".join(_NAMES))
    name: str = Field(description="what is set, as its kind calls it")
    value: str = Field(default="", description="the wanted value, in quotes; of file_mode the bits that may be set")
    compare: Compare = Field(default="equal", description="equal, at_least, at_most, within or absent")
    releases: list[Release] = Field(default=[], description="only on these: el6, el7, debian11, debian12")
    owner: str = Field(default="root", pattern=r"^[a-z_][a-z0-9_-]*$", description="file_mode: the owner")
    groups: list[Name] = Field(default=["root"], min_length=1, description="file_mode: groups that are allowed")

    @model_validator(mode="after")
    def _name_and_value_fit(self) -> Setting:
        _demand_pattern(_NAMES[self.kind], self.name, f"a name of kind {self.kind}")
        _demand_pattern(_VALUE, self.value, "one line without quotes or shell signs")
        octal = self.kind == "file_mode" or (self.kind, self.name) == ("login_shell", "umask")
        if octal:
            _demand_pattern("0[0-7]{2,3}", self.value, "an octal mode in quotes, such as '0640'")
        if self.compare in ("at_least", "at_most"):
            _demand_pattern("-?[0-9]+", self.value, "a whole number in quotes")
        if self.kind != "service_off" and self.compare != "absent" and not self.value:
            raise refuse("no value", "a value: only `compare: absent` and service_off have none")
        return self


def _demand_pattern(pattern: str, text: str, allowed: str) -> None:
    if not re.fullmatch(pattern, text):
        raise refuse(repr(text), allowed)


class Rule(Model):
    """A rule: what it answers, what it sets, what that costs, and whether it can be undone."""

    id: RuleId = Field(description="a short name, once in the whole catalogue")
    title: Names = Field(description="zh and en")
    clause: Clause | None = Field(default=None, description="身份鉴别, 访问控制, 安全审计 or 入侵防范")
    levels: list[Level] = Field(default=[], description="levels whose baseline has it; none: only on a finding")
    match: Match = Field(default=Match(), description="ids of findings, by scanner")
    remedy: Remedy = Field(default="settings", description="settings, package, manual or accept")
    settings: list[Setting] = Field(default=[], description="what is set; only of remedy `settings`")
    advice: Names | None = Field(default=None, description="zh and en: what people do where nothing is set by itself")
    risk: Literal["low", "medium", "high"] = Field(description="low, medium or high: what the change may break")
    restart: Literal["none", "service", "host"] = Field(default="none", description="none, service or host")
    undo: Literal["restore", "none"] = Field(default="restore", description="restore, or none: cannot be undone")

    @model_validator(mode="after")
    def _remedy_has_what_it_needs(self) -> Rule:
        if (self.remedy == "settings") != bool(self.settings):
            raise refuse(f"remedy {self.remedy} with {len(self.settings)} settings", "settings with remedy `settings`")
        if self.remedy != "settings" and (self.advice is None or self.levels):
            raise refuse(f"remedy {self.remedy}", "advice and no levels: nothing is set by itself")
        return self


class Subject(Model):
    """One file of the catalogue."""

    rules: list[Rule] = Field(min_length=1, description="a list of rules")


@dataclass(frozen=True)
class Catalogue:
    """Every rule by its id, in the order of files."""

    rules: dict[str, Rule]

    def baseline(self, level: Level) -> list[Rule]:
        """Return the rules of a level's baseline."""
        return [rule for rule in self.rules.values() if level in rule.levels]


def read_catalogue(inventory: Path | None = None) -> tuple[Catalogue, list[Problem]]:
    """Return the project's rules and those that an inventory adds, with every problem found."""
    own, problems = _own()
    if inventory is None:
        return Catalogue(own), list(problems)
    rules, found = _read(inventory / "policy" / "hardening", "policy/hardening", own)
    return Catalogue(rules), [*problems, *found]


@cache
def _own() -> tuple[dict[str, Rule], list[Problem]]:
    return _read(OWN, "catalogue", {})


def _read(folder: Path, shown_as: str, known: Mapping[str, Rule]) -> tuple[dict[str, Rule], list[Problem]]:
    """Return `known` and the rules of a folder's files, and what is wrong with these."""
    rules, problems = dict(known), []
    for path in sorted(folder.glob("*.yml")):
        file = f"{shown_as}/{path.name}"
        content, faults = read_mapping(path, file)
        subject, misfits = read_model(Subject, content, file) if not faults else (None, [])
        problems += [*faults, *misfits]
        for index, rule in enumerate(subject.rules if subject else []):
            if rule.id in rules:
                problems.append(Problem(file, f"rules[{index}].id", f"'{rule.id}' a second time", "each id once"))
            rules.setdefault(rule.id, rule)
    return rules, problems
