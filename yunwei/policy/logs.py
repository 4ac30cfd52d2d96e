"""Which log files and leftovers of a system's hosts may be archived and removed, and under which permission."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from yunwei.policy.base import AbsolutePath, IsoDate, Model, Name, refuse

LogKind = Literal["rotated", "temporary", "package_cache", "local_backup"]
ProfileName = Literal["tomcat", "nginx", "tongweb", "tonglinkq", "logins"]
# Folders whose names look like those of logs and that hold data; host code refuses them as well.
PROTECTED = frozenset({"sndfiles", "rcvfiles", "pg_wal", "pg_xlog", "pg_xact", "pg_clog"})
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SPACE = re.compile(r"([0-9]{1,15}) ?(%|[KMGT]?B)")


def _known_space(text: str) -> str:
    if not _SPACE.fullmatch(text) or (text.endswith("%") and not 1 <= int(text[:-1]) <= 90):
        raise refuse(repr(text), "1% to 90%, or bytes such as 500MB or 10GB")
    return text


def _name_pattern(text: str) -> str:
    if not text or "/" in text or not text.strip("*?"):
        hint = "A pattern is held against the name alone; `*` would take what is written now."
        raise refuse(repr(text), "a glob pattern over a file's name, such as *.log.[0-9]*", hint)
    return text


NamePattern = Annotated[str, AfterValidator(_name_pattern)]


class Permission(Model):
    """The client's written permission to delete (confidentiality agreement, article 5)."""

    reference: str = Field(min_length=3, description="the reference of the client's letter")
    expires: IsoDate = Field(description="the last day on which the rule may run")


class Profile(Model):
    """What a product calls the files that it has finished with; the file that it writes now is never among them."""

    patterns: list[NamePattern]
    below: bool = False


PROFILES: dict[ProfileName, Profile] = {
    "tomcat": Profile(
        patterns=[
            "catalina.[0-9]*.log*", "catalina.out[.-]*", "localhost.[0-9]*.log*", "manager.[0-9]*.log*",
            "host-manager.[0-9]*.log*", "*access_log.[0-9]*",
        ]
    ),
    "nginx": Profile(patterns=["*access.log[.-]*", "*error.log[.-]*", "*access_log[.-]*", "*error_log[.-]*"]),
    "tongweb": Profile(
        patterns=["server.log[._-]*", "server_*.log*", "*access_log[._-]*", "gc.log.[0-9]*"], below=True
    ),
    "tonglinkq": Profile(patterns=["*.log.[0-9]*", "*.log[_-][0-9]*", "*.log.bak*"]),
    "logins": Profile(patterns=["wtmp[.-]*", "btmp[.-]*"]),
}  # fmt: skip


class LogRule(Model):
    """Files of one place that are archived and then removed."""

    name: Name = Field(description="a short name, once in a system")
    hosts: list[str] = Field(min_length=1, description="at least one host of this system")
    kind: LogKind = Field(default="rotated", description="rotated, temporary, package_cache or local_backup")
    profile: ProfileName | None = Field(default=None, description=", ".join(PROFILES))
    path: AbsolutePath = Field(description="the folder, as an absolute path without links")
    below: bool | None = Field(default=None, description="whether folders in it belong to it; else the profile says it")
    patterns: list[NamePattern] = Field(default=[], description="glob patterns of names, beside the profile's")
    exclude: list[NamePattern] = Field(default=[], description="glob patterns of names that stay")
    account: Name | None = Field(default=None, description="as whom to act where others can write; never root")
    keep_days: int = Field(ge=1, le=3660, description="1 to 3660 days: what is younger stays whatever happens")
    after_days: int | None = Field(default=None, ge=1, description="days after which a file goes")
    max_bytes: int | None = Field(default=None, ge=1, description="bytes that the rule's files may take in all")
    until_free: Annotated[str, AfterValidator(_known_space)] | None = Field(
        default=None, description="free space to reach, oldest files first: 20% or 10GB"
    )
    keep_newest: int = Field(default=0, ge=0, description="how many of the newest files stay; local_backup: at least 1")
    permission: Permission = Field(
        description="the client's written permission {reference, expires}: no rule deletes without"
    )

    @property
    def all_patterns(self) -> list[str]:
        """Return the profile's patterns and the rule's own."""
        return [*(PROFILES[self.profile].patterns if self.profile else []), *self.patterns]

    @property
    def goes_below(self) -> bool:
        """Tell whether folders in the place belong to it."""
        if self.below is not None:
            return self.below
        return PROFILES[self.profile].below if self.profile else False

    @property
    def free_percent(self) -> int | None:
        """Return the free space to reach in percent, None where bytes or nothing is named."""
        return int(self.until_free[:-1]) if self.until_free and self.until_free.endswith("%") else None

    @property
    def free_bytes(self) -> int | None:
        """Return the free space to reach in bytes, None where percent or nothing is named."""
        found = _SPACE.fullmatch(self.until_free or "")
        return int(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None
