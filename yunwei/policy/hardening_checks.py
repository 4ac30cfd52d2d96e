"""The hardening of a system against catalogue and inventory: rules and hosts that must exist, waivers that end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from yunwei.policy.catalogue import Catalogue
from yunwei.policy.draft import Draft, mapping, sequence
from yunwei.policy.problems import Problem, key_path
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import System

Place = tuple[str | int, ...]


def check_hardening(draft: Draft[System], catalogue: Catalogue, today: date) -> Iterator[Problem]:
    """Yield the problems of one system's hardening."""
    content = mapping(draft.content, "hardening")
    for index, name in enumerate(sequence(content, "add")):
        yield from _rule(draft, ("hardening", "add", index), name, catalogue)
    for place, waiver in Draft(draft.file, content).each("waive"):
        where = ("hardening", *place)
        yield from _rule(draft, (*where, "rule"), waiver.get("rule"), catalogue)
        yield from _hosts(draft, where, waiver)
    yield from _expired(draft, today)


def _rule(draft: Draft[System], place: Place, name: object, catalogue: Catalogue) -> Iterator[Problem]:
    if not isinstance(name, str):
        return
    rule = catalogue.rules.get(name)
    if rule is None:
        hint = did_you_mean(name, catalogue.rules)
        yield draft.problem(place, repr(name), "a rule of `yunwei list rules`", hint)
    elif rule.remedy != "settings":
        yield draft.problem(place, f"'{name}', which sets nothing by itself", "a rule whose remedy is `settings`")


def _hosts(draft: Draft[System], place: Place, waiver: Mapping[str, Any]) -> Iterator[Problem]:
    own: Sequence[str] = [str(name) for name in mapping(draft.content, "hosts")]
    for index, name in enumerate(sequence(waiver, "hosts")):
        if isinstance(name, str) and name not in own:
            yield draft.problem((*place, "hosts", index), repr(name), ", ".join(own), did_you_mean(name, own))


def _expired(draft: Draft[System], today: date) -> Iterator[Problem]:
    hardening = draft.model.hardening if draft.model else None
    for index, waiver in enumerate(hardening.waive if hardening else []):
        if today > waiver.until:
            where = key_path(("hardening", "waive", index, "until"))
            hint = f"Rule {waiver.rule} holds again: let it be approved anew, or take the waiver out."
            yield Problem(draft.file, where, f"{waiver.until}, which has passed", "a day to come", hint, stops=False)
