"""What a host of the second site watches, made from policy and handed to that site's administrator."""

from __future__ import annotations

from typing import Any, TypedDict

from yunwei.errors import UsageError
from yunwei.policy import Policy


class WatchItem(TypedDict):
    """An item and the age beyond which its newest proven copy is told."""

    item: str
    limit_seconds: int


class WatchSystem(TypedDict):
    """A system with its names in both languages."""

    id: str
    name: dict[str, str]
    items: list[WatchItem]


class WatchRules(TypedDict):
    """Role `alert_watch`: the content of its `rules.json`. Nothing in it is secret."""

    format: int
    language: str
    repeat_seconds: int
    look_minutes: int
    channels: dict[str, Any]
    """By channel, `mail`, `webhook` or `file`, its settings as in policy; one that is not there is not used."""
    systems: list[WatchSystem]


def watch_rules(policy: Policy) -> WatchRules:
    """Return the rules of the watch for every item of the policy that can be backed up.

    Raises `UsageError` where policy says nothing of alerts.
    """
    alerts = policy.estate.alerts
    if alerts is None:
        raise UsageError("policy/estate.yml has no `alerts`, so there is nobody to tell; see docs/alerts.md")
    systems: list[WatchSystem] = [
        {
            "id": system.id,
            "name": {"zh": system.name.zh, "en": system.name.en},
            "items": [
                {"item": item.id, "limit_seconds": item.rpo_seconds + alerts.grace_seconds} for item in system.items()
            ],
        }
        for system in policy.systems.values()
        if system.items()
    ]
    return {
        "format": 1,
        "language": alerts.language,
        "repeat_seconds": alerts.repeat_seconds,
        "look_minutes": alerts.look_minutes,
        "channels": alerts.channels.model_dump(exclude_none=False, exclude={*_unused(alerts.channels)}),
        "systems": systems,
    }


def _unused(channels: Any) -> list[str]:
    return [name for name in type(channels).model_fields if getattr(channels, name) is None]
