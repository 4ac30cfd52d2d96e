"""When servers are restarted, in which order, and what may stand in the way: keys `restart` of estate and systems."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from yunwei.policy.base import IsoDate, Model, RoleName

_ARGV = "an argument vector, run on the host as root; run twice it must do no harm"


class RestartLimits(Model):
    """What all systems share: key `restart` of the estate."""

    max_at_once: int = Field(default=2, ge=1, le=50, description="1 to 50 hosts of the fleet at once")
    canary: str | None = Field(default=None, description="the host that goes first and alone, where it needs a restart")
    max_uptime_days: int = Field(default=90, ge=1, le=3650, description="1 to 3650 days that a host may run")
    expected_minutes: int = Field(default=15, ge=1, le=240, description="1 to 240 minutes, until runs have measured it")
    down_seconds: int = Field(default=600, ge=10, le=7200, description="10 to 7200 seconds until a host is back")
    proof_seconds: int = Field(default=300, ge=5, le=3600, description="5 to 3600 seconds until all runs again")
    transaction_seconds: int = Field(default=15, ge=1, le=3600, description="1 to 3600 seconds of a transaction")
    lag_bytes: int = Field(default=10 * 1024**2, ge=0, description="bytes that a standby may be behind")
    boot_free_mib: int = Field(default=50, ge=1, description="MiB that must be free in /boot")


class RestartHost(Model):
    """What is special about restarts of one host."""

    drain: list[str] = Field(default=[], description=_ARGV)
    undrain: list[str] = Field(default=[], description=_ARGV)


class HealthProbe(Model):
    """A request from a host of the system that only a working system answers."""

    host: str = Field(description="a host of this system, which sends the request")
    url: str = Field(pattern=r"^https?://[^\s/]+(/\S*)?$", description="an http or https address")
    expect: str = Field(min_length=1, description="text that the answer contains")
    timeout_seconds: int = Field(default=10, ge=1, le=300, description="1 to 300 seconds")


class RestartWaiver(Model):
    """A finding that somebody has looked at: it blocks no restart of this host until it expires."""

    host: str = Field(description="a host of this system")
    finding: str = Field(min_length=3, description="the finding's name as `yunwei plan restart-servers` shows it")
    reason: str = Field(min_length=3, description="why it does no harm")
    expires: IsoDate = Field(description="the last day on which it counts")

    def counts(self, today: date) -> bool:
        """Tell whether it is in force."""
        return today <= self.expires


class RestartRules(Model):
    """How one system is restarted."""

    tiers: list[RoleName] = Field(
        default=[], description="what hosts are for, in the order of restarts; by default those with databases last"
    )
    hosts: dict[str, RestartHost] = Field(default={}, description="hosts of this system with drain and undrain")
    probes: list[HealthProbe] = Field(default=[], description="a list of health probes")
    waivers: list[RestartWaiver] = Field(default=[], description="a list of waived findings")
