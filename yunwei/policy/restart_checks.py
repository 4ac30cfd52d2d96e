"""The restart rules of a system against its hosts, and the estate's against the inventory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from yunwei.policy.draft import Draft, mapping, sequence, text
from yunwei.policy.estate import Estate
from yunwei.policy.inventory import Inventory
from yunwei.policy.problems import Problem, key_path
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import System


def check_restarts(draft: Draft[System], today: date) -> Iterator[Problem]:
    """Yield the problems of one system's restart rules; a waiver that has expired stops nothing but blocks again."""
    rules: Draft[System] = Draft(draft.file, mapping(draft.content, "restart"))
    own = mapping(draft.content, "hosts")
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("restart", "hosts", str(name)), str(name)) for name in mapping(rules.content, "hosts")
    ]
    for key in ("probes", "waivers"):
        named += [
            (("restart", *place, "host"), name)
            for place, content in rules.each(key)
            if (name := text(content, "host")) is not None
        ]
    for place, name in named:
        if name not in own:
            yield draft.problem(place, repr(name), ", ".join(map(str, own)), did_you_mean(name, map(str, own)))
    yield from _tiers(draft, [str(role) for role in own.values()])
    for place, content in rules.each("waivers"):
        expires = content.get("expires")
        if type(expires) is date and expires < today:
            path = key_path(("restart", *place, "expires"))
            hint = "The finding blocks restarts again; look at it anew."
            yield Problem(draft.file, path, f"{expires}, which is past", f"{today} or later", hint, stops=False)


def _tiers(draft: Draft[System], roles: list[str]) -> Iterator[Problem]:
    tiers = [one for one in sequence(mapping(draft.content, "restart"), "tiers") if isinstance(one, str)]
    for index, tier in enumerate(tiers):
        if tier not in roles:
            hint = did_you_mean(tier, roles)
            yield draft.problem(("restart", "tiers", index), repr(tier), ", ".join(sorted(set(roles))), hint)
        if tier in tiers[:index]:
            yield draft.problem(("restart", "tiers", index), f"'{tier}' twice", "each tier once")
    missing = sorted(set(roles) - set(tiers)) if tiers else []
    if missing:
        allowed = "every word that `hosts` uses: " + ", ".join(sorted(set(roles)))
        yield draft.problem(("restart", "tiers"), f"no place for {', '.join(missing)}", allowed)


def check_canary(draft: Draft[Estate], inventory: Inventory) -> Iterator[Problem]:
    """Yield the problem of a canary that is no host."""
    canary = text(mapping(draft.content, "restart"), "canary")
    if canary is not None and canary not in inventory.hosts:
        hint = did_you_mean(canary, inventory.hosts)
        yield draft.problem(("restart", "canary"), repr(canary), "a host of the inventory", hint)
