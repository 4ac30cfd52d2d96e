"""The estate: sites, Vault, drill hosts; the file `policy/estate.yml`."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from yunwei.jobs import all_jobs
from yunwei.policy.alerts import Alerts
from yunwei.policy.approvals import Approvals
from yunwei.policy.base import AbsolutePath, Model, Name, Port, refuse
from yunwei.policy.databases import DatabaseCare
from yunwei.policy.hardening import HardeningGuard
from yunwei.policy.restart import RestartLimits
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.timers import Timers

SiteName = Literal["local", "miyun"]
TargetKind = Literal["append_over_ssh", "gateway_share", "vendor_replica"]
# What each kind of target must be told of its share; the other keys must not be there.
_SHARE_KEYS: dict[TargetKind, tuple[str, ...]] = {
    "append_over_ssh": (),
    "gateway_share": ("share_name",),
    "vendor_replica": ("share_name", "share_path"),
}


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a relative path, a folder of zones
        hint = did_you_mean(name, available_timezones())
        raise refuse(repr(name), "an IANA time zone such as Asia/Shanghai", hint) from None
    return name


def _known_jobs(days: dict[str, int]) -> dict[str, int]:
    for name in days:
        if name not in all_jobs():
            raise refuse(repr(name), ", ".join(all_jobs()), did_you_mean(name, all_jobs()))
    return days


class Login(Model):
    """How the wrapper logs in to Vault."""

    method: Literal["userpass", "approle"] = Field(description="userpass for people, approle for timers")
    credentials_file: AbsolutePath = Field(description="a file of mode 0600 on tmpfs; $YUNWEI_LOGIN_FILE overrides it")


class VaultSettings(Model):
    """Where secrets come from."""

    address: str = Field(pattern=r"^https://[^/\s]+$", description="https://host:port")
    ca_file: AbsolutePath = Field(description="the certificate that signed the server's")
    mount: Name = Field(description="the KV version 2 mount")
    transit_key: Name = Field(description="the transit key that signs the ledger")
    login: Login = Field(description="method and credentials_file")


class LocalSite(Model):
    """The dedicated backup server of the local site."""

    backup_server: str = Field(description="a host of the inventory")
    path: AbsolutePath = Field(description="the folder of the repositories")
    read_user: Name | None = Field(default=None, description="an account with a forced command that only reads")


class MiyunSite(Model):
    """The second site; its administrator alone has a shell there."""

    kind: TargetKind = Field(
        default="append_over_ssh", description="append_over_ssh, gateway_share or vendor_replica; see docs/backup.md"
    )
    share_name: Name | None = Field(default=None, description="what the share says in its file .yunwei-share")
    share_path: AbsolutePath | None = Field(
        default=None, description="on the backup server, the mounted share that the vendor replicates"
    )
    replica_wait_seconds: int = Field(
        default=0, ge=0, le=86400, description="0 to 86400 seconds that a sync waits for the replication"
    )
    address: str = Field(pattern=r"^[A-Za-z0-9.:-]+$", description="an address or a host name")
    port: Port = Field(default=22, description="the SSH port")
    append_user: Name = Field(description="the account whose forced command only appends")
    read_user: Name = Field(description="the account whose forced command only reads")
    path: AbsolutePath = Field(description="the folder of the repositories there")
    receipt_public_key_file: AbsolutePath = Field(description="the public key that signs receipts")
    handed_over_keys: AbsolutePath | None = Field(
        default=None, description="the folder of the public keys that the site was given: SYSTEM/miyun-append.pub"
    )
    probe_every_days: int = Field(default=1, ge=1, le=31, description="1 to 31 days between append-only probes")
    bandwidth_kib_per_second: int = Field(default=0, ge=0, description="a number of KiB/s, 0 is no limit")

    @model_validator(mode="after")
    def _share_of_its_kind(self) -> MiyunSite:
        needed = _SHARE_KEYS[self.kind]
        for key in ("share_name", "share_path"):
            if (getattr(self, key) is None) == (key in needed):
                found = f"kind {self.kind} {'without' if key in needed else 'with'} {key}"
                raise refuse(found, f"for {self.kind}: {' and '.join(needed) or 'no share'}")
        if self.replica_wait_seconds and self.kind != "vendor_replica":
            raise refuse(f"kind {self.kind} with replica_wait_seconds", "replica_wait_seconds for vendor_replica alone")
        return self


class Sites(Model):
    """Where copies are kept."""

    local: LocalSite = Field(description="the dedicated backup server")
    miyun: MiyunSite = Field(description="the second site")


class Drill(Model):
    """Where restores are tried."""

    hosts: list[str] = Field(min_length=1, description="empty hosts of the inventory outside production")
    work_dir: AbsolutePath = Field(description="the folder that a restore works below")
    reserve_bytes: int = Field(ge=0, description="bytes of free space that a restore leaves")


class Lock(Model):
    """The lock of a system."""

    lease_seconds: int = Field(ge=60, le=7 * 86400, description="60 to 604800 seconds")


class Inspection(Model):
    """Beyond which figures an inspection of the backup sites finds something."""

    free_percent: int = Field(default=15, ge=1, le=99, description="1 to 99 percent of a file system that stay free")
    quota_percent: int = Field(default=90, ge=1, le=99, description="1 to 99 percent of a quota at the second site")
    days_until_full: int = Field(default=90, ge=1, description="days that the free space lasts at the present growth")
    memory_percent: int = Field(default=10, ge=1, le=99, description="1 to 99 percent of memory that stay available")
    load_per_cpu: float = Field(default=2.0, gt=0, description="processes waiting for each CPU over 15 minutes")
    clock_seconds: int = Field(default=5, ge=1, description="seconds between a site's clock and the controller's")
    lock_seconds: int = Field(default=3600, ge=1, description="seconds; a live program renews its lock every 5 minutes")
    host_lock_seconds: int = Field(default=43200, ge=1, description="seconds that one job may be at work on a host")
    certificate_days: int = Field(default=30, ge=1, description="days that Vault's certificate is still valid")
    probe_days: int = Field(default=35, ge=1, description="days within which the append-only probe was refused all")
    access_key_days: int = Field(default=365, ge=1, description="days after which a key of ours is replaced")
    site_key_days: int = Field(default=1825, ge=1, description="days after which a host's or receipt key is replaced")
    job_days: Annotated[dict[str, Annotated[int, Field(ge=1)]], AfterValidator(_known_jobs)] = Field(
        default={"back-up": 2, "sync-to-miyun": 2}, description="jobs with the days in which each has run"
    )


class Estate(Model):
    """What all systems share."""

    name: Name = Field(description="a short name")
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(description="an IANA time zone")
    vault: VaultSettings = Field(description="address, ca_file, mount, transit_key, login")
    known_hosts_file: AbsolutePath = Field(description="the pinned host keys")
    sites: Sites = Field(description="local and miyun")
    drill: Drill = Field(description="hosts, work_dir, reserve_bytes")
    lock: Lock = Field(description="lease_seconds")
    inspection: Inspection = Field(default=Inspection(), description="thresholds, each with a default")
    databases: DatabaseCare = Field(default=DatabaseCare(), description="inspection and maintenance")
    hardening: HardeningGuard = Field(
        default=HardeningGuard(), description="confirm_seconds, probe_account, exempt_accounts"
    )
    restart: RestartLimits = Field(default=RestartLimits(), description="limits of restarts, each with a default")
    alerts: Alerts | None = Field(default=None, description="language, grace_seconds, repeat_seconds, channels")
    approvals: Approvals | None = Field(default=None, description="longest_hours, approvers")
    timers: Timers | None = Field(default=None, description="user, command, inventory, state, logins, jobs")
    production_group: Name = Field(default="production", description="the group that no drill host may be in")

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone in which schedules are meant."""
        return ZoneInfo(self.timezone)
