"""Who is told when the newest proven copy grows too old, or a timed job does not end well.

The part `alerts` of `policy/estate.yml`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from yunwei.policy.base import AbsolutePath, Model, Port, refuse

_MAILBOX = r"^[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"
Mailbox = Annotated[str, Field(pattern=_MAILBOX)]


def _divides_the_hour(minutes: int) -> int:
    if 60 % minutes:
        raise refuse(str(minutes), "minutes that divide an hour: 5, 6, 10, 12, 15, 20, 30 or 60")
    return minutes


def _without_secret(url: str) -> str:
    # A token in an address would lie in policy, on the watching host's disk and in the relay's log.
    if any(sign in url for sign in "?#@"):
        raise refuse(repr(url), "an address without user, query or fragment", "A gateway of your own adds its token.")
    return url


class MailChannel(Model):
    """A relay that takes mail without a login."""

    relay: str = Field(pattern=r"^[A-Za-z0-9.:-]+$", description="an address or a host name")
    port: Port = Field(default=25, description="the relay's port")
    starttls: bool = Field(default=True, description="true: only over TLS with a certificate that holds")
    ca_file: AbsolutePath | None = Field(
        default=None, description="on the hosts that tell, what signed the relay's certificate; null: the host's own"
    )
    sender: Mailbox = Field(description="a mailbox such as alerts@example.org")
    recipients: list[Mailbox] = Field(min_length=1, description="at least one mailbox; of a role, not of a person")


class WebhookChannel(Model):
    """An address that takes a POST of JSON."""

    url: Annotated[str, AfterValidator(_without_secret)] = Field(
        pattern=r"^https?://[^\s/]+(/\S*)?$", description="an http or https address"
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="on the hosts that tell, what signed the server's certificate; null: the host's own"
    )


class FileChannel(Model):
    """A file on each host that tells, which gets one line of JSON for each alert."""

    path: AbsolutePath = Field(description="an absolute path on the hosts that tell")


class Channels(Model):
    """The ways by which people are told; one that fails does not keep the others."""

    mail: MailChannel | None = Field(default=None, description="relay, port, starttls, ca_file, sender, recipients")
    webhook: WebhookChannel | None = Field(default=None, description="url, ca_file")
    file: FileChannel | None = Field(default=None, description="path")

    @model_validator(mode="after")
    def _one_at_least(self) -> Channels:
        if not (self.mail or self.webhook or self.file):
            raise refuse("no channel", "at least one of mail, webhook, file")
        return self


class Alerts(Model):
    """What a host of the second site watches, whatever becomes of the controller."""

    language: Literal["zh", "en"] = Field(default="zh", description="zh or en")
    grace_seconds: int = Field(
        default=43200, ge=0, description="seconds, 0 or more, that a copy may be older than the recovery point"
    )
    repeat_seconds: int = Field(
        default=86400, ge=600, description="seconds, at least 600, after which an alert that goes on is told again"
    )
    look_minutes: Annotated[int, AfterValidator(_divides_the_hour)] = Field(
        default=10, ge=5, le=60, description="minutes between two looks: 5 to 60"
    )
    channels: Channels = Field(description="mail, webhook, file: at least one")
